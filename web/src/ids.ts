// Names that nobody else has.

/** 128 random bits as hex. `crypto.randomUUID` is not there on plain HTTP to another host. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
