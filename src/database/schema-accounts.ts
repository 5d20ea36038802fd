/** Tables of signing in and of inviting. */

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
