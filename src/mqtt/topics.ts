// Topics of one facility, and whether a Response Topic is one that the facility lets commands name.

/** `event/lock.unlocked`, or `event/lock/unlocked` for brokers that take no dot. */
export type EventTopics = 'dots' | 'slashes';

export class Topics {
  readonly base: string;

  readonly #eventTopics: EventTopics;

  constructor(prefix: string, facility: string, eventTopics: EventTopics = 'dots') {
    this.#eventTopics = eventTopics;
    this.base = `${prefix}/${facility}`;
  }

  get commands(): string {
    return `${this.base}/command/#`;
  }

  reply(commandId: string): string {
    return `${this.base}/reply/${commandId}`;
  }

  event(eventType: string): string {
    return `${this.base}/event/${this.#eventTopics === 'dots' ? eventType : eventType.replaceAll('.', '/')}`;
  }

  state(name: string): string {
    return `${this.base}/state/${name}`;
  }

  /** `command/credentials/create` of this facility, taken apart; null for anything else. */
  parseCommand(topic: string): { resource: string; verb: string } | null {
    const prefix = `${this.base}/command/`;
    if (!topic.startsWith(prefix)) return null;
    const [resource = '', verb = '', ...rest] = topic.slice(prefix.length).split('/');
    return { resource, verb: rest.length === 0 ? verb : [verb, ...rest].join('/') };
  }
}

/**
 * MQTT's own matching: `+` is one level, `#` the rest. A topic with a wildcard or of more than 512 characters never
 * matches.
 */
export function matchesFilter(topic: string, filter: string): boolean {
  if (topic.length === 0 || topic.length > 512 || /[+#\0]/.test(topic)) return false;
  const levels = topic.split('/');
  const wanted = filter.split('/');
  for (const [i, part] of wanted.entries()) {
    if (part === '#') return true;
    if (i >= levels.length) return false;
    if (part !== '+' && part !== levels[i]) return false;
  }
  return levels.length === wanted.length;
}
