// Whoever commands a building in tests: a real mqtt.js client that hears everything of it.

import { connectAsync, type IClientOptions, type IClientPublishOptions, type MqttClient } from 'mqtt';
import { onTestFinished } from 'vitest';
import type { ParsedReply } from './room.ts';

export type Heard = { topic: string; payload: string; correlation: string | undefined; retain: boolean };
export type Sender = {
  client: MqttClient;
  heard: Heard[];
  publish: (command: string, body: unknown, options?: IClientPublishOptions) => Promise<void>;
  replies: () => ParsedReply[];
};

export async function sender(
  url: string,
  options: IClientOptions = {},
  listenTo: string[] = ['lintel/v1/riverside/#'],
): Promise<Sender> {
  const client = await connectAsync(url, { protocolVersion: 5, ...options });
  onTestFinished(() => void client.end(true));
  const heard: Heard[] = [];
  client.on('message', (topic, payload, packet) => {
    heard.push({
      topic,
      payload: payload.toString(),
      correlation: packet.properties?.correlationData?.toString(),
      retain: packet.retain,
    });
  });
  await client.subscribeAsync(listenTo, { qos: 1 });
  return {
    client,
    heard,
    publish: async (command, body, publishOptions = {}) => {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      await client.publishAsync(`lintel/v1/riverside/command/${command}`, text, { qos: 1, ...publishOptions });
    },
    replies: () =>
      heard
        .filter((message) => message.topic.includes('/reply/'))
        .map((message) => JSON.parse(message.payload) as ParsedReply),
  };
}
