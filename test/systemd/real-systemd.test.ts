import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bootMachine, whyNoMachine, type Machine, type Ran } from './machine.ts';

// Where no systemd can be started (not root, or in a container that may not), what the unit says is still held by
// unit.test.ts.
const reason = whyNoMachine();
if (reason !== null) console.warn(`the unit is not tried by a running systemd here: ${reason}`);

const DROP_IN = `[Service]
RestartSec=200ms
ExecStart=
ExecStart=/usr/lib/lintel/systemd/with-notify-socket /usr/lib/lintel/bin/with-node node --disable-warning=ExperimentalWarning /usr/lib/lintel/test/systemd/daemon.ts --config /etc/lintel/%i.yaml
ExecStopPost=+/bin/sh -c 'echo $SERVICE_RESULT >> /run/test/%i.results'
StandardError=append:/run/test/%i.log
`;

describe.runIf(reason === null)('the unit, run by systemd itself', () => {
  let machine: Machine | undefined;
  const booted = (): Machine => {
    if (machine === undefined) throw new Error('the machine did not boot');
    return machine;
  };
  const run: Machine['run'] = (program, ...args) => booted().run(program, ...args);
  const unit: Machine['unit'] = (name, text) => booted().unit(name, text);
  const systemctl = (...args: string[]): Promise<Ran> => run('systemctl', ...args);
  const property = async (of: string, name: string): Promise<string> =>
    (await systemctl('show', '--value', '--property', name, of)).stdout.trim();
  const becomes = async (of: string, name: string, wanted: (value: string) => boolean): Promise<string> => {
    for (let tries = 0; tries < 150; tries += 1) {
      const value = await property(of, name);
      if (wanted(value)) return value;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${of}: ${name} stays ${await property(of, name)}: ${(await systemctl('status', of)).stdout}`);
  };
  /** One request over the control socket, as the given user and group. */
  const ask = async (facility: string, kind: string, user = 'root', group = 'root'): Promise<Ran> =>
    await run(
      'setpriv',
      ...['--reuid', user, '--regid', group, '--clear-groups', '/usr/bin/python3', '-c'],
      `import socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect("/run/lintel/${facility}/control.sock")
s.sendall(b'{"id":1,"kind":"${kind}"}\\n'); print(s.makefile().readline())`,
    );

  beforeAll(async () => {
    machine = await bootMachine();
    await unit('lintel@.service.d/test.conf', DROP_IN);
    await run(
      'sh',
      '-c',
      'for f in riverside annex; do echo "facility: $f" > /etc/lintel/$f.yaml; chgrp lintel /etc/lintel/$f.yaml; done',
    );
    // A serial port of the kind that the unit allows, and a device of a kind that it does not, both readable for
    // everybody.
    await run('sh', '-c', 'mknod -m 666 /run/test/ttyS9 c 4 73; mknod -m 666 /run/test/mem c 1 1');
    for (const facility of ['riverside', 'annex']) {
      const started = await systemctl('start', `lintel@${facility}`);
      if (started.code === 0) continue;
      const [status, log] = [
        await systemctl('status', `lintel@${facility}`),
        await run('cat', `/run/test/${facility}.log`),
      ];
      throw new Error([started.stderr, status.stdout, log.stdout].join('\n'));
    }
  });
  afterAll(async () => {
    await machine?.shutDown();
  });

  test('starts, is ready when the daemon says so, and shows its status', async () => {
    expect(await property('lintel@riverside', 'ActiveState')).toBe('active');
    expect(await becomes('lintel@riverside', 'StatusText', (text) => text !== '')).toBe('serving riverside');
  });

  test('gives the daemon what it needs and nothing else', async () => {
    const reply = JSON.parse((await ask('riverside', 'probe')).stdout) as {
      ok: boolean;
      result: Record<string, unknown>;
    };
    const lintel = (await run('id', '-u', 'lintel')).stdout.trim();
    const dialout = (await run('sh', '-c', 'getent group dialout | cut -d: -f3')).stdout.trim();
    expect(reply.result).toMatchObject({
      via: 'socket',
      uid: Number(lintel),
      directories: ['/var/lib/lintel/riverside', '/run/lintel/riverside', '/etc/lintel'],
      cwd: '/var/lib/lintel/riverside',
      bootRecord: 1,
      uptime: true,
      interfaces: ['lo'],
      capabilities: '0000000000000000',
      config: 'ok',
      writeConfig: expect.stringMatching(/EACCES|EROFS/),
      writeProgram: 'EROFS',
      otherState: 'ENOENT',
      otherSocket: 'ENOENT',
      memory: 'EPERM',
      setClock: expect.stringContaining('Operation not permitted'),
      namespace: expect.stringContaining('Operation not permitted'),
      mount: expect.not.stringMatching(/^ok$/),
      others: expect.not.stringMatching(/^ok$/),
    });
    expect(dialout).not.toBe('');
    expect(['EACCES', 'ENOENT']).toContain(reply.result['home']);
    // The port is of no hardware: opening it gets as far as the driver, which the policy would not have let it.
    expect(['ok', 'EIO', 'ENXIO', 'ENODEV']).toContain(reply.result['serial']);
  });

  test('lets the group at the control socket and nobody else', async () => {
    expect(
      (await run('stat', '-c', '%A %U %G', '/run/lintel/riverside', '/run/lintel/riverside/control.sock')).stdout,
    ).toBe('drwxr-x--- lintel lintel\nsrw-rw---- lintel lintel\n');
    expect((await ask('riverside', 'x', 'nobody', 'lintel')).stdout).toContain('unknown kind');
    expect((await ask('riverside', 'x', 'nobody', 'nogroup')).stderr).toContain('Permission denied');
  });

  test('keeps state from everybody else and configuration from being changed', async () => {
    const modes = await run('stat', '-c', '%A %U %G', '/var/lib/lintel/riverside', '/etc/lintel');
    expect(modes.stdout).toBe('drwx------ lintel lintel\ndrwxr-x--- root lintel\n');
  });

  test('restarts a daemon that died, and leaves the other facility alone', async () => {
    const other = await property('lintel@annex', 'MainPID');
    const before = await property('lintel@riverside', 'MainPID');
    await ask('riverside', 'crash');
    const after = await becomes('lintel@riverside', 'MainPID', (pid) => pid !== '0' && pid !== before);
    expect(after).not.toBe(before);
    await becomes('lintel@riverside', 'ActiveState', (state) => state === 'active');
    expect(await property('lintel@annex', 'MainPID')).toBe(other);
    expect((await ask('riverside', 'x')).stdout).toContain('unknown kind'); // over the socket file of the dead one
  });

  test('lives under a watchdog of two seconds as long as it is well, and is restarted when it is not', async () => {
    await unit('lintel@annex.service.d/watchdog.conf', '[Service]\nWatchdogSec=2s\n');
    await systemctl('restart', 'lintel@annex');
    await new Promise((resolve) => setTimeout(resolve, 3500));
    expect(await property('lintel@annex', 'NRestarts')).toBe('0');
    await ask('annex', 'sick');
    await becomes('lintel@annex', 'NRestarts', (count) => count === '1');
    expect((await run('tail', '-n', '1', '/run/test/annex.results')).stdout.trim()).toBe('watchdog');
    await becomes('lintel@annex', 'ActiveState', (state) => state === 'active');
    // One that does not turn at all, as SIGSTOP leaves it, does not kick either.
    await run('kill', '-STOP', await property('lintel@annex', 'MainPID'));
    await becomes('lintel@annex', 'NRestarts', (count) => count === '2');
    expect((await run('tail', '-n', '1', '/run/test/annex.results')).stdout.trim()).toBe('watchdog');
    await becomes('lintel@annex', 'ActiveState', (state) => state === 'active');
  });

  test('stops cleanly and removes its runtime directory', async () => {
    await systemctl('stop', 'lintel@riverside');
    expect(await property('lintel@riverside', 'Result')).toBe('success');
    expect(await property('lintel@riverside', 'ActiveState')).toBe('inactive');
    expect((await run('ls', '/run/lintel/riverside')).code).not.toBe(0);
  });

  test('unseals the credential of this facility, and starts without those that are not there', async () => {
    const sealed = await run(
      'sh',
      '-c',
      `mkdir -p -m 700 /etc/credstore.encrypted /var/lib/systemd && systemd-creds setup && printf opensesame |
        systemd-creds encrypt --with-key=host --name=mqtt-password - /etc/credstore.encrypted/riverside.mqtt-password`,
    );
    expect(sealed.code).toBe(0);
    await systemctl('restart', 'lintel@riverside', 'lintel@annex');
    expect((await ask('riverside', 'probe')).stdout).toContain('"credential":"ok"');
    expect((await ask('annex', 'probe')).stdout).toContain('"credential":"ENOENT"');
  });
});
