// The tests of the package, against the real SDK, a real Temporal and real Cordon workers.
import { after, before } from 'node:test';
import { close, cordon, open } from './house';
import './arguments';
import './activities';
import './workspace';
import './cancel';
import './lost';
import './topologies';
import './package';

before(open, { timeout: 120_000 });
after(
  async () => {
    if (process.exitCode) {
      console.error(cordon.log());
    }
    await close();
  },
  { timeout: 120_000 },
);
