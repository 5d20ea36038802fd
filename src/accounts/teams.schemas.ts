import { Type } from 'typebox';
import { Nullable } from '../http/schemas.ts';
import { Email, Name } from './auth.schemas.ts';

const strict = { additionalProperties: false } as const;
const Time = Type.String({ format: 'date-time' });
const Role = Type.Union([Type.Literal('owner'), Type.Literal('admin'), Type.Literal('member')]);

/** `enum` says in an error what is possible. */
const RoleName = Type.Unsafe<'owner' | 'admin' | 'member'>({
  type: 'string',
  enum: ['owner', 'admin', 'member'],
});

export const TeamId = Type.Object({ teamId: Type.String() });
export const MemberId = Type.Object({ teamId: Type.String(), userId: Type.String() });
export const TeamInvitationId = Type.Object({ teamId: Type.String(), invitationId: Type.String() });
export const InvitationId = Type.Object({ invitationId: Type.String() });

export const TeamBody = Type.Object({ name: Name }, strict);
export const RoleBody = Type.Object({ role: RoleName }, strict);
export const TeamInviteBody = Type.Object({ email: Email, role: Type.Optional(RoleName) }, strict);

export const TeamSchema = Type.Object(
  {
    teamId: Type.String(),
    name: Type.String(),
    role: Type.Union(Role.anyOf, { description: 'Yours.' }),
    members: Type.Integer(),
    createdAt: Time,
  },
  { title: 'Team' },
);
export const MemberSchema = Type.Object(
  {
    userId: Type.String(),
    name: Type.String(),
    email: Nullable(Type.String()),
    role: Role,
    createdAt: Time,
  },
  { title: 'TeamMember' },
);
const Invitation = {
  invitationId: Type.String(),
  teamId: Type.String(),
  team: Type.String(),
  email: Type.String(),
  role: Role,
  expiresAt: Time,
};
export const TeamInvitationSchema = Type.Object(
  { ...Invitation, invitedBy: Type.String() },
  { title: 'TeamInvitation' },
);
export const NewTeamInvitationSchema = Type.Object({
  ...Invitation,
  link: Nullable(Type.String({ description: 'Where it could not be mailed: pass it on.' })),
});
