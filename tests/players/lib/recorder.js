// Stands between one player and the service: hands everything through, and keeps what was asked and answered.

import http from "node:http";
import { gunzipSync, gzipSync } from "node:zlib";

/** What lies here is the test's own, and no part of the service. */
export const OWN = "/-/";

const PLAYLIST = /\.m3u8$/;
const PLAYBACK = /^\/v1\/(play|media|multiview)/;
const MEDIA = /^\/v1\/(?:play\/[^/]+\/)?media\/.*\.(?:mp4|m4s)$/;
const VIDEO_SEGMENT = /^\/v1\/(?:play\/[^/]+\/)?media\/(?!audio\/)([^/]+)\/([^/]+)\/(\d+)(?:\.\d+)?\.m4s$/;

export class Recorder {
  #agent = new http.Agent({ keepAlive: true });
  #server = http.createServer((request, response) => this.#take(request, response));
  #upstream;
  #spoil;
  #pages;
  #heard;
  /** Every request: `{ at, ms, method, path, status, bytes }`, `at` in milliseconds of Unix time. */
  requests = [];
  /** Every answer that is a playlist: `{ at, path, query, text }`, `at` being when it was answered, since the service may let one wait. */
  playlists = [];

  /**
   * `pages` answers for paths below `OWN`: `{ type, body }` by name. `heard` is told of every playlist and every piece of media,
   * as they are after `spoil` had its way.
   */
  constructor(upstream, { spoil = (answer) => answer, pages = {}, heard = {} } = {}) {
    this.#upstream = upstream;
    this.#spoil = spoil;
    this.#pages = pages;
    this.#heard = heard;
  }

  async listen() {
    await new Promise((ready) => this.#server.listen(0, "127.0.0.1", ready));
    this.origin = `http://127.0.0.1:${this.#server.address().port}`;
  }

  async close() {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }

  /** Answers that a player should never get. What the test itself asks for over REST is its own business. */
  refusals() {
    const refused = this.requests.filter((one) => one.status >= 400 && PLAYBACK.test(one.path));
    return refused.map((one) => `${one.status} on ${one.method} ${one.path}`);
  }

  /** Segments of the picture that were asked for, whole or in parts, in order: `{ at, path, mosaic, rendition, number }`. */
  videoSegments() {
    return this.requests.flatMap((one) => {
      const [, mosaic, rendition, number] = VIDEO_SEGMENT.exec(one.path) ?? [];
      return mosaic === undefined ? [] : [{ at: one.at, path: one.path, mosaic, rendition, number: Number(number) }];
    });
  }

  async #take(request, response) {
    const url = new URL(request.url, this.origin);
    if (url.pathname.startsWith(OWN)) return this.#own(url.pathname.slice(OWN.length), response);
    const at = Date.now();
    const entry = { at, method: request.method, path: url.pathname, status: 0, bytes: 0 };
    this.requests.push(entry);
    try {
      const answer = await this.#ask(request);
      // Players that ask for it get it compressed; what is kept is what they read.
      const zipped = answer.headers["content-encoding"] === "gzip";
      const spoiled = this.#spoil({ path: url.pathname, status: answer.status, body: zipped ? gunzipSync(answer.body) : answer.body });
      const sent = zipped ? gzipSync(spoiled.body) : spoiled.body;
      Object.assign(entry, { status: spoiled.status, bytes: spoiled.body.length, ms: Date.now() - at });
      const headers = request.method === "HEAD" ? answer.headers : { ...answer.headers, "content-length": sent.length };
      // It would have been for pieces as they came, and now there is one.
      delete headers["transfer-encoding"];
      response.writeHead(spoiled.status, headers).end(sent);
      if (request.method === "GET" && isWhole(spoiled.status, answer.headers)) this.#keep(url, spoiled.body);
    } catch (error) {
      // The service went away, or the player did.
      entry.failed = error.message;
      response.destroy();
    }
  }

  #keep(url, body) {
    if (PLAYLIST.test(url.pathname)) {
      const playlist = { at: Date.now(), path: url.pathname, query: url.search, text: body.toString() };
      this.playlists.push(playlist);
      this.#heard.playlist?.(playlist, this);
    } else if (MEDIA.test(url.pathname)) {
      this.#heard.media?.(url.pathname, body);
    }
  }

  /** Host goes through as it came, so that the service's URLs lead back here. */
  #ask(request) {
    const target = new URL(this.#upstream());
    const { connection, ...headers } = request.headers;
    return new Promise((answered, failed) => {
      const options = { agent: this.#agent, host: target.hostname, port: target.port, method: request.method, path: request.url, headers };
      const asked = http.request(options, (answer) => {
        const pieces = [];
        answer.on("data", (piece) => pieces.push(piece));
        answer.on("end", () => answered({ status: answer.statusCode, headers: { ...answer.headers }, body: Buffer.concat(pieces) }));
        answer.on("error", failed);
      });
      asked.on("error", failed);
      request.pipe(asked);
    });
  }

  #own(name, response) {
    const page = this.#pages[name];
    if (page === undefined) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": page.type }).end(page.body);
  }
}

/** A part of a file is none that a parser could read; FFmpeg asks for the part that is all of it. */
function isWhole(status, headers) {
  const [, from, to, length] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers["content-range"] ?? "") ?? [];
  return status === 200 || (status === 206 && from === "0" && Number(to) === Number(length) - 1);
}
