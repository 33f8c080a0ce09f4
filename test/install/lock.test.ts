import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { trimmedLock } from './trim-lock.ts';

const HOME = join(import.meta.dirname, '../..');
const LOCK = readFileSync(join(HOME, 'package-lock.json'), 'utf8');
const packages = (
  JSON.parse(LOCK) as {
    packages: Record<string, { version?: string; integrity?: string; hasInstallScript?: boolean; dev?: boolean }>;
  }
).packages;

describe('the lock file', () => {
  it('asks no particular Node of whoever installs; else: npm run lock', () => {
    expect(LOCK === trimmedLock(LOCK)).toBe(true);
  });

  it('pins every package by its hash, and names no registry', () => {
    const unpinned = Object.entries(packages).filter(([path, one]) => path !== '' && one.integrity === undefined);
    expect(unpinned.map(([path]) => path)).toEqual([]);
    expect(LOCK).not.toMatch(/"resolved":/);
  });

  it('holds no package that needs its install script but those known to bring their binaries', () => {
    expect(readFileSync(join(HOME, '.npmrc'), 'utf8').split('\n')).toContain('ignore-scripts=true');
    const scripted = Object.entries(packages).filter(([, one]) => one.hasInstallScript === true);
    // serialport's carries prebuilt ones for linux x64 and arm64; fsevents is for another system altogether.
    const known = ['node_modules/@serialport/bindings-cpp', 'node_modules/fsevents'];
    expect(scripted.map(([path]) => path).filter((path) => !known.includes(path))).toEqual([]);
  });
});
