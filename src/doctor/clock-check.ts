// The clock: windows are judged by it, and after a cold boot without a network only a battery clock knows the time.

import { EARLIEST_MS } from '../ops/clock-rules.ts';
import { askKernel, askRtc } from '../ops/clock-vouchers.ts';
import type { Facility } from '../domain/facility.ts';
import { Findings, type Finding } from './finding.ts';
import type { DoctorsMachine } from './machine.ts';

const NTP_REMEDY =
  'Have systemd-timesyncd or chrony follow a time server that this network reaches (timedatectl shows it)';

export async function checkClock(
  { clock, clockSources }: DoctorsMachine,
  facility: Facility | null,
): Promise<Finding[]> {
  const found = new Findings('clock');
  const now = new Date(clock.nowMs());
  if (now.getTime() < EARLIEST_MS) {
    found.fault(
      `it says ${now.toISOString()}: it was never set`,
      'Set it (date -s), and then the battery clock (hwclock --systohc); `lintel clock accept` says to a running agent that it is right',
    );
    return found.all;
  }
  const kernel = await askKernel(clockSources);
  const battery = askRtc(clockSources.rtcFolder, clock);
  if (kernel.vouched) found.good(`${now.toISOString()}, ${kernel.detail}`);
  else if (facility?.clockTrust === 'always')
    found.warning(
      `${kernel.detail}, and the facility file trusts it all the same (clock: {trust: always})`,
      `${NTP_REMEDY}, and leave \`trust: always\` out`,
    );
  else if (facility?.clockTrust === 'rtc' && battery.vouched)
    found.good(`${kernel.detail}; the battery clock vouches for it`);
  else
    found.warning(
      `${kernel.detail}: once the time of grace is over windows are judged by what is certain alone`,
      NTP_REMEDY,
    );
  if (battery.vouched) found.good(`the battery clock agrees: ${battery.detail}`, 'battery');
  else
    found.warning(
      `no battery clock vouches for the time after a cold boot without network: ${battery.detail}`,
      'Fit one (on a Raspberry Pi a DS3231 with dtoverlay=i2c-rtc,ds3231; a Pi 5 takes a cell) and set it: hwclock --systohc',
      'battery',
    );
  return found.all;
}
