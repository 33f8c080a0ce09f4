// `monitoring`: where this machine may ask how Lintel is.

import { z } from 'zod';

export const monitoringSchema = z.strictObject({
  port: z
    .int()
    .min(1_024)
    .max(65_535)
    .meta({
      title: 'Port',
      description:
        'TCP port on 127.0.0.1 for `/healthz`, `/readyz` and `/metrics` (Prometheus). Each facility of a machine has its own. Nothing is listened on without it.',
      examples: [9464],
    }),
});
