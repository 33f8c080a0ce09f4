// Certificates as a site gets them, by OpenSSL: an authority, and whom it signs for.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Signed = { certFile: string; keyFile: string; cert: Buffer; key: Buffer };
export type Authority = {
  certFile: string;
  cert: Buffer;
  /** `names` as OpenSSL writes them, e.g. `DNS:broker.example,IP:127.0.0.1`; dates as `20260101000000Z`. */
  sign(name: string, names: string, from: string, until: string): Signed;
};

const openssl = (folder: string, args: readonly string[]): void =>
  void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Files are made in `folder`, under `name`. */
export function authority(folder: string, name: string): Authority {
  const file = (of: string, kind: string): string => join(folder, `${of}.${kind}`);
  const request = ['req', '-x509', ...KEY, '-days', '3650', '-subj', `/CN=${name}`];
  openssl(folder, [...request, '-keyout', file(name, 'key'), '-out', file(name, 'pem')]);
  return {
    certFile: file(name, 'pem'),
    cert: readFileSync(file(name, 'pem')),
    sign(of, names, from, until) {
      openssl(folder, ['req', ...KEY, '-subj', `/CN=${of}`, '-keyout', file(of, 'key'), '-out', file(of, 'csr')]);
      writeFileSync(file(of, 'ext'), `subjectAltName=${names}\n`);
      writeFileSync(
        file(name, 'cnf'),
        `[ca]\ndefault_ca=a\n[a]\ndatabase=${file(name, 'index')}\nnew_certs_dir=${folder}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n`,
      );
      writeFileSync(file(name, 'index'), '');
      const signing = ['ca', '-batch', '-notext', '-config', file(name, 'cnf'), '-cert', file(name, 'pem')];
      const period = ['-startdate', from, '-enddate', until, '-extfile', file(of, 'ext')];
      openssl(folder, [
        ...signing,
        '-keyfile',
        file(name, 'key'),
        ...period,
        '-in',
        file(of, 'csr'),
        '-out',
        file(of, 'pem'),
      ]);
      const [certFile, keyFile] = [file(of, 'pem'), file(of, 'key')];
      return { certFile, keyFile, cert: readFileSync(certFile), key: readFileSync(keyFile) };
    },
  };
}
