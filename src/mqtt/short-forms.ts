// What goes in the place of a message that the broker will not carry: a short one that says the truth. What was done is
// never called failed.

export type TooLarge = { bytes: number; most: number | null };

const behind = ({ bytes, most }: TooLarge): string =>
  `its ${bytes} bytes are more than the broker carries${most === null ? '' : ` (${most})`}`;

/** The reply, `ok` as it was, with the kind of its error where it had one. `isKept`: the journal has it whole. */
export function shortReply(json: string, isKept: boolean, why: TooLarge): string {
  const reply = JSON.parse(json) as { command_id?: unknown; ok?: unknown; error?: { type?: unknown } };
  const remedy = isKept
    ? 'Remedy: get what you need with smaller commands, or raise the message size limit at the broker and send this command again under the same command_id: the whole reply is kept'
    : 'Remedy: a smaller params.limit, or raise the message size limit at the broker';
  const { bytes } = why;
  const short =
    reply.ok === true
      ? {
          ok: true,
          result: {
            type: 'reply_too_large',
            message: `done, but the reply does not fit: ${behind(why)}. ${remedy}`,
            bytes,
          },
        }
      : {
          ok: false,
          error: {
            type: 'reply_too_large',
            error_type: reply.error?.type ?? null,
            message: `not done, and the reason does not fit: ${behind(why)}. ${remedy}`,
            bytes,
          },
        };
  return JSON.stringify({ command_id: reply.command_id ?? null, ...short });
}

/** A retained state: better none of its members than those of yesterday. */
export function shortState(json: string, why: TooLarge): string {
  const state = JSON.parse(json) as { online?: unknown };
  const online = typeof state.online === 'boolean' ? { online: state.online } : {};
  return JSON.stringify({
    ...online,
    is_stub: true,
    message: `this state is not published: ${behind(why)}`,
    bytes: why.bytes,
  });
}
