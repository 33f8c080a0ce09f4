// `npm run package`: lintel_VERSION_ARCH.deb for both kinds of machine, or for those that are named. The gateway needs
// no npm, no compiler and no network: the bundled program, native modules with their prebuilt binaries, Node itself,
// units, the manual, completion, examples and the bill of materials. The same sources make the same bytes.
//
//   npm run package -- [amd64] [arm64] [--out FOLDER] [--version VERSION] [--quick]
//
// `--quick` compresses nothing: for trials. Made with Debian's own dpkg-deb.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { bundle, NATIVE } from './bundle.ts';
import { licenceText } from './licences.ts';
import { copyNative, type Arch } from './native.ts';
import { nodeFor } from './node-binary.ts';

const HOME = join(import.meta.dirname, '..');
const LIB = 'usr/lib/lintel';
const SHARE = 'usr/share';
const DOC = `${SHARE}/doc/lintel`;
const SCRIPTS = ['preinst', 'postinst', 'prerm', 'postrm'];

type Wanted = { arch: Arch; version: string; folder: string; isQuick: boolean; epoch: number };

/** Makes one package; returns its path. */
export async function makeDeb({ arch, version, folder, isQuick, epoch }: Wanted): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), 'lintel-deb-'));
  try {
    await stageProgram(root, arch, version);
    stageSystem(root);
    stageDocs(root, arch, version, epoch);
    stageControl(root, arch, version);
    settle(root, epoch);
    mkdirSync(folder, { recursive: true });
    const deb = join(folder, `lintel_${version}_${arch}.deb`);
    // One thread: how the work is shared out shows in the bytes.
    const compression = isQuick ? ['-Znone'] : ['-Zxz', '--threads-max=1'];
    execFileSync('dpkg-deb', ['--root-owner-group', ...compression, '--build', root, deb], {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return deb;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function stageProgram(root: string, arch: Arch, version: string): Promise<void> {
  const lib = join(root, LIB);
  await bundle(lib);
  writeFileSync(join(lib, 'package.json'), `${JSON.stringify({ name: 'lintel', version, type: 'module' })}\n`);
  copyNative(HOME, lib, NATIVE, arch);
  const node = nodeFor(HOME, arch);
  put(lib, 'node/bin/node', readFileSync(join(node, 'bin/node')));
  put(lib, 'node/LICENSE', readFileSync(join(node, 'LICENSE')));
  put(lib, 'systemd/with-notify-socket', readFileSync(join(HOME, 'systemd/with-notify-socket')));
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  symlinkSync('../lib/lintel/bin/lintel', join(root, 'usr/bin/lintel'));
}

function stageSystem(root: string): void {
  for (const [from, to] of [
    ['lintel@.service', 'usr/lib/systemd/system/lintel@.service'],
    ['sysusers.d/lintel.conf', 'usr/lib/sysusers.d/lintel.conf'],
    ['tmpfiles.d/lintel.conf', 'usr/lib/tmpfiles.d/lintel.conf'],
    ['udev/70-lintel.rules', 'usr/lib/udev/rules.d/70-lintel.rules'],
  ] as const)
    put(root, to, readFileSync(join(HOME, 'systemd', from)));
}

function stageDocs(root: string, arch: Arch, version: string, epoch: number): void {
  // What it says of itself is asked of the program that goes in; its JavaScript is that of every machine.
  const ask = (...words: string[]): string =>
    execFileSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(root, LIB, 'lib/lintel/main.js'), ...words],
      {
        encoding: 'utf8',
      },
    );
  put(root, `${SHARE}/man/man1/lintel.1.gz`, gzipped(ask('manual')));
  put(root, `${SHARE}/bash-completion/completions/lintel`, ask('completion', 'bash'));
  put(root, `${SHARE}/zsh/vendor-completions/_lintel`, ask('completion', 'zsh'));
  put(root, `${SHARE}/fish/vendor_completions.d/lintel.fish`, ask('completion', 'fish'));

  for (const name of ['README.md', 'SECURITY.md']) put(root, `${DOC}/${name}`, readFileSync(join(HOME, name)));
  cpSync(join(HOME, 'docs'), join(root, DOC, 'docs'), { recursive: true });
  symlinkSync('../../../lib/lintel/config', join(root, DOC, 'examples'));
  put(root, `${DOC}/copyright`, readFileSync(join(HOME, 'LICENSE')));
  put(root, `${DOC}/third-party-licences.txt.gz`, gzipped(licenceText(HOME, nodeFor(HOME, arch))));
  put(root, `${DOC}/changelog.gz`, gzipped(changelog(version, epoch)));
  const bill = execFileSync('sh', [join(HOME, 'bin/with-node'), 'node', join(HOME, 'src/cli/sbom.ts')], {
    encoding: 'utf8',
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
  });
  put(root, `${DOC}/lintel.cdx.json`, bill);
}

const changelog = (version: string, epoch: number): string =>
  `lintel (${version}) stable; urgency=medium\n\n  * See README.md and docs/ beside this file.\n\n -- Lintel <lintel@localhost>  ${new Date(epoch * 1000).toUTCString().replace('GMT', '+0000')}\n`;

function stageControl(root: string, arch: Arch, version: string): void {
  const control = `Package: lintel
Version: ${version}
Architecture: ${arch}
Maintainer: Lintel <lintel@localhost>
Installed-Size: ${Math.ceil(bytesIn(root) / 1024)}
Depends: libc6 (>= 2.28), libstdc++6 (>= 9), libgcc-s1, perl-base, passwd
Recommends: systemd
Section: admin
Priority: optional
Description: door access for one building, decided on the spot
 Takes PINs, cards and mobile keys over MQTT, keeps them, writes them to door
 controllers over serial lines and Modbus, and decides at the readers it
 serves itself, also while broker, network and time servers are away.
`;
  put(root, 'DEBIAN/control', control);
  for (const name of SCRIPTS)
    put(
      root,
      `DEBIAN/${name}`,
      readFileSync(join(HOME, 'packaging/debian', name), 'utf8').replaceAll('VERSION', version),
    );
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + lstatSync(join(entry.parentPath, entry.name)).size, 0);
}

function put(root: string, path: string, content: string | Buffer): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

/** Level 9, without a name or an instant. */
const gzipped = (text: string): Buffer => gzipSync(text, { level: 9 });

/** The same modes and instants on every machine, whoever's umask it was. */
function settle(root: string, epoch: number): void {
  const programs = new Set([
    ...['bin/lintel', 'bin/with-node', 'node/bin/node', 'systemd/with-notify-socket'].map((name) => `${LIB}/${name}`),
    ...SCRIPTS.map((name) => `DEBIAN/${name}`),
  ]);
  const walk = (path: string): void => {
    const at = join(root, path);
    const stat = lstatSync(at);
    if (stat.isDirectory()) {
      for (const name of readdirSync(at)) walk(path === '' ? name : `${path}/${name}`);
      chmodSync(at, 0o755);
    } else if (!stat.isSymbolicLink()) {
      chmodSync(at, programs.has(path) ? 0o755 : 0o644);
    }
    lutimesSync(at, epoch, epoch);
  };
  walk('');
}

/** When these sources were committed, seconds: $SOURCE_DATE_EPOCH, else as git says, else when they were unpacked. */
function sourceEpoch(): number {
  const given = process.env['SOURCE_DATE_EPOCH'];
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  const git = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: HOME, encoding: 'utf8' });
  if (git.status === 0) return Number(git.stdout.trim());
  return Math.floor(statSync(join(HOME, 'package.json')).mtimeMs / 1000);
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: 'string', default: join(HOME, 'dist') },
      version: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const manifest = JSON.parse(readFileSync(join(HOME, 'package.json'), 'utf8')) as { version: string };
  const isArch = (word: string): word is Arch => word === 'amd64' || word === 'arm64';
  const unknown = positionals.find((word) => !isArch(word));
  if (unknown !== undefined) {
    console.error(
      `npm run package: ${unknown} is no kind of machine that there is a package for. Write amd64 or arm64.`,
    );
    process.exit(2);
  }
  const archs = positionals.length === 0 ? (['amd64', 'arm64'] as const) : positionals.filter(isArch);
  for (const arch of archs)
    console.log(
      await makeDeb({
        arch,
        version: values.version ?? manifest.version,
        folder: values.out,
        isQuick: values.quick,
        epoch: sourceEpoch(),
      }),
    );
}
