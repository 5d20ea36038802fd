/** Who is calling: one shape for every kind of credential. */
export interface Principal {
  userId: string;
  role: 'user' | 'admin';
  /** The API key used. */
  keyId: string;
}
