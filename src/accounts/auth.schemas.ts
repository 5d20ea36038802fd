import { Type } from 'typebox';
import { Nullable } from '../http/schemas.ts';
import { PASSWORD_MAX, PASSWORD_MIN } from './auth.ts';

const strict = { additionalProperties: false } as const;
const Time = Type.String({ format: 'date-time' });
const Token = Type.String({ minLength: 1, maxLength: 200 });

/** Line breaks and the like have no place in what is shown to others and mailed. */
export const Name = Type.String({
  minLength: 1,
  maxLength: 100,
  pattern: '^[^\\p{Cc}]*[^\\s\\p{Cc}][^\\p{Cc}]*$',
});
export const Email = Type.String({ format: 'email', maxLength: 254 });
const NewPassword = Type.String({ minLength: PASSWORD_MIN, maxLength: PASSWORD_MAX });
/** One that is compared only: a rule for new ones says nothing about it. */
const Password = Type.String({ minLength: 1, maxLength: PASSWORD_MAX });

export const FirstAdminBody = Type.Object(
  {
    name: Name,
    email: Email,
    password: NewPassword,
    token: Type.Optional(
      Type.String({ maxLength: 200, description: 'From another machine: as printed at the start.' }),
    ),
  },
  strict,
);
export const SignUpBody = Type.Object({ name: Name, email: Email, password: NewPassword }, strict);
export const AcceptBody = Type.Object(
  {
    token: Token,
    name: Type.Optional(Name),
    password: Type.String({
      minLength: PASSWORD_MIN,
      maxLength: PASSWORD_MAX,
      description: 'A new one; after `/auth/sign-up` the one chosen there.',
    }),
  },
  strict,
);
export const SignInBody = Type.Object(
  {
    email: Email,
    password: Password,
    remember: Type.Optional(
      Type.Boolean({
        default: true,
        description: 'false: the session ends with the browser, after a day at most.',
      }),
    ),
  },
  strict,
);
export const ProviderBody = Type.Object(
  {
    provider: Type.String({ maxLength: 50 }),
    returnTo: Type.Optional(
      Type.String({
        maxLength: 500,
        pattern: '^/(?![/\\\\])[^\\s\\\\]*$',
        description: 'A path of this server to come back to.',
      }),
    ),
  },
  strict,
);
export const ForgotBody = Type.Object({ email: Email }, strict);
export const ResetBody = Type.Object({ token: Token, password: NewPassword }, strict);
export const ChangePasswordBody = Type.Object(
  { currentPassword: Password, newPassword: NewPassword },
  strict,
);
export const SwitchBody = Type.Object(
  { teamId: Nullable(Type.String({ maxLength: 100, description: 'null: your own space.' })) },
  strict,
);
export const InviteBody = Type.Object({ email: Email }, strict);
export const SessionId = Type.Object({ sessionId: Type.String() });
export const InvitationId = Type.Object({ invitationId: Type.String() });

const Role = Type.String({ description: '`owner`, `admin` or `member`.' });
const Mode = Type.Union([Type.Literal('open'), Type.Literal('invite'), Type.Literal('closed')]);

const Me = {
  user: Type.Object({
    userId: Type.String(),
    name: Type.String(),
    email: Nullable(Type.String()),
    role: Type.Union([Type.Literal('user'), Type.Literal('admin')]),
    image: Nullable(Type.String()),
  }),
  space: Type.Object({
    ownerId: Type.String({ description: 'Whose library and budget this is about.' }),
    kind: Type.Union([Type.Literal('user'), Type.Literal('team')]),
    name: Type.String(),
    role: Nullable(Role),
  }),
  teams: Type.Array(Type.Object({ teamId: Type.String(), name: Type.String(), role: Role })),
  sessionId: Nullable(Type.String()),
};

export const MeSchema = Type.Object(Me, { title: 'Me' });
export const StateSchema = Type.Object(
  {
    signedIn: Type.Boolean(),
    needsFirstAdmin: Type.Boolean(),
    signUp: Mode,
    me: Nullable(MeSchema),
  },
  { title: 'SessionState' },
);
export const SessionSchema = Type.Object(
  {
    sessionId: Type.String(),
    current: Type.Boolean(),
    address: Nullable(Type.String()),
    userAgent: Nullable(Type.String()),
    createdAt: Time,
    expiresAt: Time,
  },
  { title: 'Session' },
);
export const ProviderSchema = Type.Object({
  provider: Type.String(),
  name: Type.String(),
  kind: Type.Union([Type.Literal('password'), Type.Literal('oidc'), Type.Literal('github')]),
});
export const InvitationSchema = Type.Object(
  { invitationId: Type.String(), email: Type.String(), expiresAt: Time },
  { title: 'Invitation' },
);
export const NewInvitationSchema = Type.Object({
  invitationId: Type.String(),
  email: Type.String(),
  expiresAt: Time,
  link: Nullable(
    Type.String({ description: 'Where it could not be mailed: pass it on. It is shown this once.' }),
  ),
});
export const Done = Type.Object({ done: Type.Literal(true) });
export const DONE = { success: true as const, data: { done: true as const } };
