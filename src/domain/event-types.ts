// The types of events, by Seam's names where Seam has one. What each means is in docs/mqtt-api.md; a test holds the two, and whatever the program records, together.

const FAMILIES = {
  lock: 'unlocked access_denied',
  acs_entrance: 'opened closed not_opened rex forced held_warning held restored locked_out unlock_failed',
  acs_user: 'created updated suspended unsuspended deleted',
  acs_credential: 'created updated assigned unassigned issued reissued invalidated deleted',
  schedule: 'created updated deleted',
  holiday: 'created updated deleted',
  access_code:
    'scheduled_on_device set_on_device removed_from_device failed_to_set_on_device failed_to_remove_from_device failed_to_expire modified_externally',
  device:
    'connected disconnected power tampered identity_changed secure_channel_lost clear_text_card install_window_opened key_installed address_changed file_sent slot_adopted slot_emptied presentations_dropped events_dropped',
  agent:
    'started stopped clock_trusted clock_untrusted command_rejected explained_by_secret commands_missing stream_reset events_dropped events_missing storage_damaged storage_low storage_files_renewed storage_tampered storage_sealed storage_accepted',
} as const;

export const EVENT_TYPES: readonly string[] = Object.entries(FAMILIES).flatMap(([family, names]) =>
  names.split(' ').map((name) => `${family}.${name}`),
);
