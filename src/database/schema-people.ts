import type { Generated } from 'kysely';
import type { JsonObject } from '../core/json.ts';
import type { JsonColumn } from './schema-columns.ts';

export interface OwnersTable {
  id: string;
  kind: 'user' | 'team';
}

export interface UsersTable {
  id: string;
  name: string;
  role: 'user' | 'admin';
  email: string | null;
  email_verified: Generated<boolean>;
  image: string | null;
  created_at: Date;
  updated_at: Generated<Date>;
  disabled_at: Date | null;
}

export interface TeamsTable {
  id: string;
  name: string;
  slug: string;
  created_at: Generated<Date>;
}

export interface TeamMembersTable {
  id: string;
  team_id: string;
  user_id: string;
  role: 'owner' | 'admin' | 'member';
  created_at: Generated<Date>;
}

export interface AuditLogTable {
  id: Generated<number>;
  at: Date;
  actor_id: string | null;
  credential_id: string | null;
  address: string | null;
  action: string;
  subject_id: string | null;
  details: JsonColumn<JsonObject>;
}

export interface ApiKeysTable {
  id: string;
  user_id: string;
  name: string;
  prefix: string;
  key_hash: string;
  created_at: Date;
  expires_at: Date | null;
  revoked_at: Date | null;
  owner_id: string;
  scopes: string[];
  models: string[] | null;
  spend_cap_micros: number | null;
  last_used_at: Date | null;
  rotated_from: string | null;
  family_id: string | null;
}

export interface OutsideIdentitiesTable {
  issuer: string;
  subject: string;
  user_id: string;
  created_at: Date;
}

export interface SessionsTable {
  id: string;
  user_id: string;
  token_hash: string;
  expires_at: Date;
  created_at: Date;
  updated_at: Date;
  address: string | null;
  user_agent: string | null;
  active_team_id: string | null;
}

export interface AccountsTable {
  id: string;
  user_id: string;
  /** `credential`: a password; else the issuer. */
  provider_id: string;
  account_id: string;
  password: string | null;
  created_at: Date;
  updated_at: Date;
}

export interface VerificationsTable {
  id: string;
  identifier: string;
  value: string;
  expires_at: Date;
  created_at: Date;
  updated_at: Date;
}

export interface InvitationsTable {
  id: string;
  email: string;
  token_hash: string;
  invited_by: string | null;
  name: string | null;
  password: string | null;
  created_at: Date;
  expires_at: Date;
}

export interface TeamInvitationsTable {
  id: string;
  team_id: string;
  email: string;
  role: 'owner' | 'admin' | 'member';
  invited_by: string;
  created_at: Date;
  expires_at: Date;
}

export interface SignInAttemptsTable {
  key: string;
  attempts: number;
  allowed: number;
  last_at: Date;
  blocked_until: Date | null;
}
