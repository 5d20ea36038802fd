import { join } from 'node:path';
import { openLocalStorage } from './local-storage.ts';
import { describeStorage, temporaryFolder } from './storage-contract.ts';

describeStorage('local storage', async () => {
  const inbox = await temporaryFolder();
  return { storage: await openLocalStorage(join(inbox, 'store')), inbox };
});
