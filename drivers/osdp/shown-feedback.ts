// Feedback on its way to one reader: the newest signal replaces what was not sent yet, and a command that the reader
// does not know is not sent again.

import type { Feedback, FeedbackLook, Log, ReaderDevice } from '../driver.ts';
import type { WireCommand } from './commands.ts';
import { feedbackCommands, restingCommands } from './feedback.ts';
import type { FeedbackLooks } from './feedback.ts';
import type { PdCapabilities } from './pdcap.ts';
import { describeNak, NAK } from './replies.ts';
import type { Station } from './station.ts';

export type FeedbackSettings = {
  readers: number;
  /** The LED that shows it. */
  led: number;
  looks: FeedbackLooks;
};

export class ShownFeedback implements ReaderDevice {
  readonly #station: Station;
  readonly #settings: FeedbackSettings;
  readonly #log: Log;
  readonly #isOnline: () => boolean;
  readonly #unsupported = new Set<string>();
  #hasDisplay = false;

  constructor(station: Station, settings: FeedbackSettings, log: Log, isOnline: () => boolean) {
    this.#station = station;
    this.#settings = settings;
    this.#log = log;
    this.#isOnline = isOnline;
  }

  feedback(reader: number, signal: Feedback, look?: FeedbackLook): void {
    if (!this.#isOnline() || reader >= this.#settings.readers) return;
    this.#station.dropFeedback(reader);
    const own = this.#settings.looks[signal];
    const shown = { ...own, led: look?.led ?? own.led, beep: look?.beep ?? own.beep };
    for (const wire of feedbackCommands(reader, this.#settings.led, signal, shown, this.#features())) {
      void this.#station.submit('feedback', wire).then((result) => {
        if (result.kind === 'nak') this.refused(wire, result.error);
      });
    }
  }

  /** What brings every head to its resting look. */
  resting(): WireCommand[] {
    return Array.from({ length: this.#settings.readers }, (_, reader) =>
      restingCommands(reader, this.#settings.led, this.#settings.looks.ready, this.#features()),
    ).flat();
  }

  /** A new link: it may be another reader. */
  begin(): void {
    this.#unsupported.clear();
  }

  learn(pd: PdCapabilities): void {
    this.#hasDisplay = pd.textDisplays > 0;
  }

  refused(wire: WireCommand, error: number): void {
    if (error === NAK.unknownCommand) this.#unsupported.add(wire.name);
    else this.#log.debug('the reader refused a command', { command: wire.name, reason: describeNak(error) });
  }

  #features(): { led: boolean; buzzer: boolean; text: boolean } {
    return {
      led: !this.#unsupported.has('LED'),
      buzzer: !this.#unsupported.has('BUZ'),
      text: !this.#unsupported.has('TEXT') && this.#hasDisplay,
    };
  }
}
