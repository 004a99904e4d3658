// Somebody whom webhooks tell things, on a port of its own. Signatures are worked out here, by nothing that the service has.

import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Got {
  readonly id: string;
  readonly type: string;
  /** How many of its signatures `secret`, as `whsec_…`, made. */
  signedBy(secret: string): number;
}

export interface Receiver {
  readonly url: string;
  readonly got: readonly Got[];
  /** From now on it answers so. */
  answer(status: number): void;
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const got: Got[] = [];
  let status = 204;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString("utf8");
      const header = (name: string) => String(request.headers[name] ?? "");
      const signed = `${header("webhook-id")}.${header("webhook-timestamp")}.${body}`;
      const signedBy = (secret: string) => {
        const right = `v1,${createHmac("sha256", Buffer.from(secret.replace(/^whsec_/, ""), "base64")).update(signed).digest("base64")}`;
        return header("webhook-signature").split(" ").filter((one) => one === right).length;
      };
      got.push({ id: header("webhook-id"), type: (JSON.parse(body) as { type: string }).type, signedBy });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    got,
    answer: (now) => (status = now),
    close: () =>
      new Promise((closed) => {
        server.closeAllConnections?.();
        server.close(() => closed());
      }),
  };
}
