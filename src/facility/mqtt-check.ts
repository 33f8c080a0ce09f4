// What the schema cannot say about the broker's section: which keys go together, and what a reply topic must never
// reach.

import { isMapping, valueAt } from './shape.ts';
import type { Report } from './report.ts';
import { DEFAULT_PREFIX, fillNames } from './values.ts';
import { textOf } from '../domain/words.ts';
import { memberOf } from '../domain/named.ts';

const PROTOCOLS = ['mqtt:', 'mqtts:', 'ws:', 'wss:'];
const TLS_KEYS = ['ca', 'cert', 'key'] as const;
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** Reads the file as it stands; what has the wrong type was reported already and is passed over. */
export function checkMqtt(root: unknown, report: Report): void {
  const mqtt = valueAt(root, ['mqtt']);
  if (!isMapping(mqtt)) return;
  const has = (key: string): boolean => (memberOf(mqtt, key) ?? null) !== null;
  if (has('url') && has('embedded')) {
    report.error(
      ['mqtt', 'embedded'],
      'both a broker and the built-in one are named',
      'Keep either url or embedded.',
      'key',
    );
  }
  if (!has('url') && !has('embedded')) {
    report.error(
      ['mqtt'],
      'no broker is named',
      'Add `url: mqtts://broker.example:8883`, or `embedded: 1883` for the built-in broker on 127.0.0.1.',
      'key',
    );
  }
  const url = typeof mqtt['url'] === 'string' ? parseUrl(mqtt['url'], report) : null;
  checkTls(has, url, report);
  checkReplyTopics(root, report);
  if (has('password') && !has('username') && !has('embedded')) {
    report.warn(
      ['mqtt', 'password'],
      'a password without a username',
      'Add username: MQTT 3.1.1 brokers refuse the one without the other.',
      'key',
    );
  }
  if (has('embedded') && !has('url')) {
    report.warn(
      ['mqtt', 'embedded'],
      'the built-in broker is for this machine alone, unencrypted, and whoever knows its password commands the house',
      'Write url: for a broker that others reach as well.',
      'key',
    );
  }
}

function parseUrl(text: string, report: Report): URL | null {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    if (/^(mqtts?|wss?):\/\/\S+$/.test(text)) {
      report.error(['mqtt', 'url'], 'this is no address', 'Write for example `url: mqtts://broker.example:8883`.');
    }
    return null;
  }
  if (url.username !== '' || url.password !== '') {
    report.error(
      ['mqtt', 'url'],
      'a user name or password stands in the address, where it is seen by everybody who sees the file',
      'Take it out: write username: …, and password: {credential: mqtt-password} or {file: …}.',
    );
  }
  return PROTOCOLS.includes(url.protocol) ? url : null;
}

function checkTls(has: (key: string) => boolean, url: URL | null, report: Report): void {
  const isEncrypted = url !== null && ['mqtts:', 'wss:'].includes(url.protocol);
  if (!isEncrypted && (url !== null || !has('url'))) {
    for (const key of TLS_KEYS.filter(has)) {
      report.error(
        ['mqtt', key],
        `${key} has no effect, for the connection is not encrypted`,
        has('url')
          ? 'Write url: mqtts://… (or wss://…), or leave it out.'
          : 'Leave it out: the built-in broker listens on 127.0.0.1 only.',
        'key',
      );
    }
  }
  if (has('cert') !== has('key')) {
    const [there, missing] = has('cert') ? ['cert', 'key'] : ['key', 'cert'];
    report.error(
      ['mqtt', there],
      `${there} without ${missing}`,
      `Add ${missing}: a client certificate needs both.`,
      'key',
    );
  }
  if (url !== null && !isEncrypted && url.hostname !== '' && !LOOPBACK.test(url.hostname)) {
    report.warn(
      ['mqtt', 'url'],
      'everything goes to the broker unencrypted, codes and card numbers too',
      `Write ${url.protocol === 'ws:' ? 'wss' : 'mqtts'}://… where the broker offers it.`,
    );
  }
}

function checkReplyTopics(root: unknown, report: Report): void {
  const facility = textOf(valueAt(root, ['facility'])) ?? 'facility';
  const prefix = textOf(valueAt(root, ['mqtt', 'topic_prefix'])) ?? DEFAULT_PREFIX;
  const own = `${prefix}/${facility}`;
  const topics = valueAt(root, ['mqtt', 'reply_topics']);
  for (const [i, topic] of (Array.isArray(topics) ? topics : []).entries()) {
    if (typeof topic !== 'string' || topic === '') continue;
    const filter = fillNames(topic, facility, prefix);
    const path = ['mqtt', 'reply_topics', i];
    const fault = filterFault(filter);
    if (fault !== null) {
      report.error(path, `no topic filter: ${fault}`, `Write for example ${own}/reply/#.`);
      continue;
    }
    const reached = ['command', 'event', 'state'].find((branch) => overlaps(filter, `${own}/${branch}/#`));
    if (reached !== undefined) {
      report.error(
        path,
        `a reply could be published under ${own}/${reached}/, where only ${reached === 'command' ? 'commands' : `${reached}s of ours`} belong`,
        `Write a narrower filter, for example ${own}/reply/#.`,
      );
    }
  }
}

function filterFault(filter: string): string | null {
  const levels = filter.split('/');
  if (filter.includes('\0')) return 'it holds a NUL character';
  if (levels[0]?.startsWith('$') === true) return 'it begins with $, which is the broker’s own';
  if (levels.some((level) => level === '')) return 'a level is empty (two slashes, or one at an end)';
  if (levels.some((level) => level.length > 1 && /[+#]/.test(level))) return '+ and # stand for whole levels';
  return levels.slice(0, -1).includes('#') ? '# stands at the end only' : null;
}

/** Whether a topic exists that both filters match. */
function overlaps(a: string, b: string): boolean {
  const left = a.split('/');
  const right = b.split('/');
  for (let i = 0; ; i++) {
    const [x, y] = [left[i], right[i]];
    if (x === '#' || y === '#') return true;
    if (x === undefined || y === undefined) return x === y || left[i] === '#' || right[i] === '#';
    if (x !== y && x !== '+' && y !== '+') return false;
  }
}
