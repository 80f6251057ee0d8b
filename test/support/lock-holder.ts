import { FolderLostError } from '../../src/core/errors.ts';
import { NodeFolder } from '../../src/platform/node-files.ts';
import { tryLockFolder } from '../../src/platform/run-lock.ts';

// A process that takes a folder, says `taken` or `held`, and on every line it is given whether it still has it.
const lock = await tryLockFolder(new NodeFolder(process.argv[2]!));
if (!('release' in lock)) {
  console.log('held');
  process.exit();
}
console.log('taken');
process.stdin.on('data', () => {
  lock.requireHeld().then(
    () => console.log('mine'),
    (error: unknown) => console.log(error instanceof FolderLostError ? 'lost' : String(error)),
  );
});
