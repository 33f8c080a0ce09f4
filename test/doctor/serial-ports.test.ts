// Ports out of what the kernel and udev show, on a machine made of folders and links.

import { mkdirSync, realpathSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { portAt, serialPorts, type MachineRoots } from '../../src/doctor/serial-ports.ts';
import { temporaryFolder } from '../support/store.ts';

type Fake = MachineRoots & {
  file: (path: string, text: string) => void;
  link: (path: string, to: string) => void;
};

function machine(): Fake {
  const root = realpathSync(temporaryFolder());
  const file: Fake['file'] = (path, text) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const link: Fake['link'] = (path, to) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(to, join(root, path));
  };
  return { sys: join(root, 'sys'), dev: join(root, 'dev'), proc: join(root, 'proc'), file, link };
}

/** An FTDI adapter on USB, as Linux shows one. */
function plugFtdi({ file, link, sys }: Fake, name: string, serial: string): void {
  const usb = `sys/devices/usb1/1-${name}`;
  const port = `${usb}/1-${name}:1.0/${name}`;
  file(`${usb}/idVendor`, '0403\n');
  file(`${usb}/manufacturer`, 'FTDI\n');
  file(`${usb}/product`, 'USB-RS485 Cable\n');
  file(`${usb}/serial`, `${serial}\n`);
  file(`${port}/latency_timer`, '16\n');
  link(`${port}/driver`, join(sys, 'bus/usb-serial/drivers/ftdi_sio'));
  link(`sys/class/tty/${name}/device`, join(dirname(sys), port));
  file(`dev/${name}`, '');
  link(`dev/serial/by-id/usb-FTDI_USB-RS485_Cable_${serial}-if00-port0`, `../../${name}`);
  link(`dev/serial/by-path/pci-0-usb-0:${name}-port0`, `../../${name}`);
}

it('names each port by what stays, with its adapter, its chip and who holds it', () => {
  const here = machine();
  plugFtdi(here, 'ttyUSB10', 'FT10');
  plugFtdi(here, 'ttyUSB2', 'FT2');
  const { dev, ino } = statSync(join(here.dev, 'ttyUSB2'));
  const hex = (value: number): string => value.toString(16).padStart(2, '0');
  const place = `${hex((dev >> 8) & 0xfff)}:${hex((dev & 0xff) | ((dev >> 12) & 0xfff00))}:${ino}`;
  here.file(
    'proc/locks',
    `1: POSIX  ADVISORY  WRITE 7 ${place} 0 EOF\n2: FLOCK  ADVISORY  WRITE 4711 ${place} 0 EOF\n`,
  );
  here.file('proc/4711/comm', 'minicom\n');
  expect(serialPorts(here)).toEqual([
    {
      path: join(here.dev, 'serial/by-id/usb-FTDI_USB-RS485_Cable_FT2-if00-port0'),
      device: join(here.dev, 'ttyUSB2'),
      names: [
        join(here.dev, 'serial/by-id/usb-FTDI_USB-RS485_Cable_FT2-if00-port0'),
        join(here.dev, 'serial/by-path/pci-0-usb-0:ttyUSB2-port0'),
      ],
      kind: 'usb',
      product: 'FTDI USB-RS485 Cable',
      serial_number: 'FT2',
      driver: 'ftdi_sio',
      latency_timer_ms: 16,
      held_by: { pid: 4711, program: 'minicom' },
    },
    expect.objectContaining({ device: join(here.dev, 'ttyUSB10'), serial_number: 'FT10', held_by: null }),
  ]);
});

it('knows an on-board port, and leaves out consoles and ports that are not fitted', () => {
  const here = machine();
  here.file('sys/devices/platform/uart/type', '');
  here.link('sys/devices/platform/uart/driver', '/sys/bus/amba/drivers/uart-pl011');
  here.link('sys/class/tty/ttyAMA0/device', join(here.sys, 'devices/platform/uart'));
  here.file('sys/class/tty/ttyAMA0/type', '32\n');
  here.link('sys/class/tty/ttyS3/device', join(here.sys, 'devices/platform/uart'));
  here.file('sys/class/tty/ttyS3/type', '0\n');
  here.file('sys/class/tty/tty1/dev', '4:1\n');
  here.file('dev/ttyAMA0', '');
  expect(serialPorts(here)).toEqual([
    {
      path: join(here.dev, 'ttyAMA0'),
      device: join(here.dev, 'ttyAMA0'),
      names: [],
      kind: 'on_board',
      product: null,
      serial_number: null,
      driver: 'uart-pl011',
      latency_timer_ms: null,
      held_by: null,
    },
  ]);
});

it('finds the port behind any of its names, and nothing behind one that leads nowhere', () => {
  const here = machine();
  plugFtdi(here, 'ttyUSB0', 'FT0');
  const ports = serialPorts(here);
  const [port] = ports;
  expect(port?.names).toHaveLength(2);
  for (const name of [port?.device ?? '', ...(port?.names ?? [])]) expect(portAt(name, ports)).toBe(port);
  expect(portAt(join(here.dev, 'ttyUSB1'), ports)).toBeNull();
});

it('says that there is none where the kernel shows none', () => {
  expect(serialPorts(machine())).toEqual([]);
});
