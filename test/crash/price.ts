import type { Fleet } from './fleet.ts';
import { API_KEY } from './product.ts';

/** From now on a video costs something here, so that what is held and charged can be judged. */
export async function setPrice({ addresses }: Fleet): Promise<void> {
  const [address = ''] = addresses();
  const response = await fetch(`${address}/api/v1/admin/prices`, {
    method: 'POST',
    headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ provider: 'openai', model: 'simulator', pricePerSecondUsd: 0.123457 }),
  });
  if (!response.ok) throw new Error(`no price could be set: ${response.status} ${await response.text()}`);
}
