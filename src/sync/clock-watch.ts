// The clock of a controller, by which it keeps windows and weeks: looked at when it comes back and behind each half
// hour, for there and only there a wall clock is put forward or back, and set where it is wrong.

import { OperatingError } from '../domain/errors.ts';
import { stopIfAsked, type Post } from './post.ts';

const DRIFT_MS = 30_000;
const EVERY_MS = 30 * 60_000;
const BEHIND_MS = 1000;
/** After a failure sooner: until then its schedules may hold by the hour before. */
const AGAIN_MS = 60_000;

export class ClockWatch {
  /** Epoch ms. */
  #nextMs = 0;

  /** By the wall clock, which may leap: one that was put back does not put this off. */
  isDue({ device, clock, time }: Post): boolean {
    if (device.clock === null || !time().trusted) return false;
    const leftMs = this.#nextMs - clock.nowMs();
    return leftMs <= 0 || leftMs > EVERY_MS + BEHIND_MS;
  }

  /** Not while nobody vouches for ours. Never rejects for what the controller does. */
  async look(post: Post): Promise<void> {
    const { device, controller, clock, log } = post;
    if (device.clock === null || !post.time().trusted) return;
    const nowMs = clock.nowMs();
    this.#nextMs = nowMs - (nowMs % EVERY_MS) + EVERY_MS + BEHIND_MS;
    try {
      const driftMs = Math.round((await device.clock.read()) - clock.nowMs());
      if (Math.abs(driftMs) < DRIFT_MS) return;
      log.warn('the clock of the controller was wrong and is set', { controller: controller.name, driftMs });
      await device.clock.set(clock.nowMs());
    } catch (error) {
      stopIfAsked(post);
      if (!(error instanceof OperatingError)) throw error;
      this.#nextMs = Math.min(this.#nextMs, nowMs + AGAIN_MS);
      log.warn('the clock of the controller cannot be set', { controller: controller.name, problem: error.message });
    }
    stopIfAsked(post);
  }
}
