// The broker: its name, its port, the certificate that it shows and ours. Nothing of MQTT is spoken: a second client
// under our id would end the connection of the agent.

import { isIP } from 'node:net';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { dirname } from 'node:path';
import { OperatingError } from '../domain/errors.ts';
import type { Facility, MqttSettings, SecretSource } from '../domain/facility.ts';
import { memberOf } from '../domain/named.ts';
import { readSecret } from '../facility/secret.ts';
import { Findings, splitRemedy, type Finding } from './finding.ts';
import type { ConnectTo, DoctorsMachine } from './machine.ts';

const CONNECT_MS = 10_000;
const DAY_MS = 24 * 3_600_000;
/** An authority takes its time, and so does whoever must be asked. */
const SOON_MS = 30 * DAY_MS;

const STANDARD_PORTS: Readonly<Record<string, number>> = { 'mqtt:': 1883, 'mqtts:': 8883, 'ws:': 80, 'wss:': 443 };

export async function checkBroker(machine: DoctorsMachine, facility: Facility): Promise<Finding[]> {
  const found = new Findings('broker');
  const { mqtt } = facility;
  if (mqtt.url === null) {
    found.good(`the built-in one, on 127.0.0.1:${mqtt.embeddedPort ?? ''}: nobody commands this gateway from outside`);
    return found.all;
  }
  const url = new URL(mqtt.url);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? (memberOf(STANDARD_PORTS, url.protocol) ?? 1883) : Number(url.port);
  const isEncrypted = url.protocol === 'mqtts:' || url.protocol === 'wss:';
  if (!isEncrypted && !isLoopback(host))
    found.warning(
      'the link is not encrypted: whoever is on the way reads the password and sends commands',
      'Use mqtts:// (or wss://) with the authority of the broker in mqtt.ca',
    );
  const own = readOwn(found, mqtt, facility, machine);
  if (own === null) return found.all;
  if (own.cert !== null && own.key !== null) checkPair(found, own.cert, own.key, machine.clock.nowMs());
  await checkConnection(found, machine, { host, port, tls: isEncrypted ? own : null });
  return found.all;
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || /^127\./.test(host);

type Own = NonNullable<ConnectTo['tls']>;

/** Null: one of them cannot be read here, and nothing is tried without it. */
function readOwn(found: Findings, mqtt: MqttSettings, facility: Facility, { env }: DoctorsMachine): Own | null {
  const sealed: string[] = [];
  const unread: string[] = [];
  const read = (key: string, source: SecretSource | null): Buffer | null => {
    if (source === null) return null;
    if ('credential' in source && env['CREDENTIALS_DIRECTORY'] === undefined) {
      sealed.push(key);
      return null;
    }
    try {
      const { bytes, warning } = readSecret(source, dirname(facility.file), env);
      // A certificate is for everybody.
      const isSecret = key === 'key' || key === 'password';
      if (warning !== null && isSecret) found.warning(warning, 'chmod 600, and owned by the user of the service', key);
      return bytes;
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      unread.push(key);
      const { says, remedy } = splitRemedy(error.message, 'Name the right file, readable for the user of the service');
      found.fault(says, remedy, key);
      return null;
    }
  };
  const own = { ca: read('ca', mqtt.ca), cert: read('cert', mqtt.cert), key: read('key', mqtt.key) };
  const isTried = sealed.length + unread.length === 0;
  read('password', mqtt.password);
  if (sealed.length > 0)
    found.look(
      `sealed for the service, and read by nobody else: ${sealed.map((key) => `mqtt.${key}`).join(', ')}`,
      isTried
        ? 'Nothing here: whether the broker takes it is what the agent says below'
        : 'What the agent says of its broker below counts; the connection is not tried without them',
    );
  return isTried ? own : null;
}

function checkPair(found: Findings, cert: Buffer, key: Buffer, nowMs: number): void {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(cert);
  } catch {
    found.fault('mqtt.cert holds no certificate', 'Give it as PEM, beginning with -----BEGIN CERTIFICATE-----', 'cert');
    return;
  }
  const until = Date.parse(certificate.validTo);
  tellValidity(
    found,
    'our certificate',
    until,
    nowMs,
    'cert',
    'Have it renewed; both files are read again at the next connection',
  );
  try {
    if (!certificate.checkPrivateKey(createPrivateKey(key)))
      found.fault(
        'mqtt.key is not the key of the certificate in mqtt.cert',
        'Name the two files that belong together',
        'key',
      );
  } catch {
    found.fault('mqtt.key holds no private key that can be read', 'Give it as PEM, without a passphrase', 'key');
  }
}

function tellValidity(
  found: Findings,
  whose: string,
  untilMs: number,
  nowMs: number,
  which: string,
  remedy: string,
): void {
  const day = new Date(untilMs).toISOString().slice(0, 10);
  if (untilMs <= nowMs) found.fault(`${whose} ended on ${day}`, remedy, which);
  else if (untilMs - nowMs < SOON_MS)
    found.warning(`${whose} ends on ${day}, in ${Math.ceil((untilMs - nowMs) / DAY_MS)} days`, remedy, which);
  else found.good(`${whose} is valid until ${day}`, which);
}

async function checkConnection(found: Findings, { connect, clock }: DoctorsMachine, to: ConnectTo): Promise<void> {
  const where = `${to.host}:${to.port}`;
  const reached = await connect(to, CONNECT_MS);
  if (!reached.isReached) {
    const known = memberOf(REFUSALS, reached.code);
    found.fault(
      `${where}: ${known?.says ?? `${reached.message} (${reached.code})`}`,
      known?.remedy ?? 'Compare mqtt.url, mqtt.ca, mqtt.cert and mqtt.key with what the broker asks for',
      where,
    );
    return;
  }
  found.good(
    `${where} can be connected to${to.tls === null ? '' : ', and shows a certificate that is trusted'}`,
    where,
  );
  if (reached.certificate !== null)
    tellValidity(
      found,
      'the broker’s certificate',
      reached.certificate.validUntilMs,
      clock.nowMs(),
      where,
      'Tell whoever runs the broker: on that day this gateway, and every other, loses it',
    );
  if (isIP(to.host) === 0 && !isLoopback(to.host))
    found.look(
      `${to.host} is a name: without name service there is no broker, though doors go on`,
      'Nothing, where commands may wait; else an address, or a line in /etc/hosts',
      where,
    );
}

const CA_REMEDY = 'Put the authority that signed it into mqtt.ca, or correct the file';
const REFUSALS: Readonly<Record<string, { says: string; remedy: string }>> = {
  ECONNREFUSED: { says: 'nobody listens there', remedy: 'Start the broker, or correct the port in mqtt.url' },
  ETIMEDOUT: { says: 'no answer', remedy: 'Look for a firewall, a cable or a wrong address in between' },
  EHOSTUNREACH: { says: 'the host does not answer', remedy: 'Check its power, cable and address' },
  ENETUNREACH: { says: 'there is no route to its network', remedy: 'Check the address, router and cable of this gateway' },
  ENOTFOUND: { says: 'the name is not known', remedy: 'Correct mqtt.url, or give an address' },
  EAI_AGAIN: { says: 'name service does not answer', remedy: 'Correct /etc/resolv.conf, or give an address' },
  ECONNRESET: { says: 'it ends the connection at once', remedy: 'Compare mqtt:// and mqtts:// with the port, and mqtt.cert with what it asks for' },
  EPROTO: { says: 'it speaks no TLS there', remedy: 'Compare mqtt:// and mqtts:// with the port' },
  ERR_SSL_WRONG_VERSION_NUMBER: { says: 'it speaks no TLS there', remedy: 'Compare mqtt:// and mqtts:// with the port' },
  CERT_HAS_EXPIRED: { says: 'its certificate has expired', remedy: 'Tell whoever runs the broker, and check the clock of this gateway' },
  CERT_NOT_YET_VALID: { says: 'its certificate is not valid yet', remedy: 'Check the clock of this gateway' },
  ERR_TLS_CERT_ALTNAME_INVALID: { says: 'its certificate is that of another host', remedy: 'Write mqtt.url with the name that the certificate has' },
  SELF_SIGNED_CERT_IN_CHAIN: { says: 'its certificate is from an authority that is not trusted here', remedy: CA_REMEDY },
  DEPTH_ZERO_SELF_SIGNED_CERT: { says: 'its certificate is signed by itself alone', remedy: CA_REMEDY },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: { says: 'its certificate is from an authority that is not trusted here', remedy: CA_REMEDY },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: { says: 'its certificate is from an authority that is not trusted here', remedy: CA_REMEDY },
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: { says: 'it does not know the authority of our certificate', remedy: 'Have it trust the authority of mqtt.cert' },
}; // prettier-ignore
