// The program as a site has it: ours and the packages that are pure JavaScript, bundled into a few files with their
// source maps. Native modules stay beside it, whole. `node packaging/bundle.ts FOLDER` makes it there:
//
//   bin/lintel, bin/with-node    as in the project
//   lib/lintel/                  main.js, its parts and workers, source maps, profiles
//   node_modules/                the native modules, with their prebuilt binaries
//   config/                      examples and schemas
//
// `FOLDER` lies as the project itself does: what looks for a file beside itself finds it in both.

import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

const HOME = join(import.meta.dirname, '..');
/** What holds a native binary, and what each of them needs at run time. */
export const NATIVE = ['better-sqlite3', '@serialport/bindings-cpp'] as const;
const PROGRAMS = {
  main: 'src/cli/main.ts',
  'background-worker': 'src/store/background-worker.ts',
  'verification-worker': 'src/store/verification-worker.ts',
};

/** Bundles into `folder`, which is made anew. */
export async function bundle(folder: string): Promise<void> {
  const lib = join(folder, 'lib', 'lintel');
  rmSync(lib, { recursive: true, force: true });
  mkdirSync(lib, { recursive: true });
  const build = await rolldown({
    cwd: HOME,
    input: PROGRAMS,
    platform: 'node',
    external: [...NATIVE],
    // What the bundler only warns of, such as a package that is not there, would be missed on the gateway.
    onLog: (level, { message }) => {
      if (level === 'warn') throw new Error(message);
    },
    preserveEntrySignatures: 'allow-extension',
    plugins: [
      {
        name: 'workers-beside',
        // A worker is started by its file's name. The names are of one length: the source map holds.
        transform: (code) => ({
          code: code.replaceAll(/(?<=new URL\('\.\/[\w-]+-worker)\.ts(?=')/g, '.js'),
          map: null,
        }),
      },
    ],
  });
  await build.write({
    dir: lib,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    sourcemap: true,
    minify: false,
    // Each package in a file of its own: a stack trace says whose it is, and what needs one loads no other.
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [{ debugName: 'packages', test: /node_modules/, name: packageFile }],
    },
  });
  await build.close();

  cpSync(join(HOME, 'drivers/modbus/profiles'), join(lib, 'profiles'), { recursive: true });
  for (const name of ['bin', 'config']) cpSync(join(HOME, name), join(folder, name), { recursive: true });
  cpSync(join(HOME, 'package.json'), join(folder, 'package.json'));
}

/** `…/node_modules/@scope/name/index.js` -> `npm.scope.name`. */
function packageFile(id: string): string | null {
  const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(id) ?? [];
  return name === undefined ? null : `npm.${name.replace('@', '').replace('/', '.')}`;
}

if (import.meta.main) await bundle(process.argv[2] ?? '');
