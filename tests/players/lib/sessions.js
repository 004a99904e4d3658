// The REST calls that a device makes.

import { DEVICE_KEY, OPERATOR_KEY } from "./service.js";

/** A device that is told there is no room asks again when it was told to, so often at most. */
const TRIES = 4;

export class Refused extends Error {
  constructor(call, response, problem) {
    super(`${call}: ${response.status} ${problem.code ?? ""} ${problem.detail ?? ""}`.trim());
    this.status = response.status;
    this.code = problem.code;
    this.retryAfterMs = Number(response.headers.get("Retry-After")) * 1000;
  }
}

async function call(origin, method, path, body, key = DEVICE_KEY) {
  const response = await fetch(origin + path, {
    method,
    headers: { Authorization: `Bearer ${key}`, ...(body && { "Content-Type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  const answer = text === "" ? {} : JSON.parse(text);
  if (!response.ok) throw new Refused(`${method} ${path.split("/").slice(0, 3).join("/")}`, response, answer);
  return answer;
}

/** `told` hears of every refusal that is not the last word. */
async function patiently(ask, told) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (error.code !== "capacity" || tries === TRIES) throw error;
      told(`asked again ${error.retryAfterMs / 1000} s after ${error.message}`);
      await new Promise((again) => setTimeout(again, error.retryAfterMs));
    }
  }
}

/** A session's URLs are of the origin that was asked, so a session made through a recorder is played through it. */
export const createSession = (origin, wish, told) => patiently(() => call(origin, "POST", "/v1/sessions", wish), told);
export const changeSession = (origin, id, change, told) => patiently(() => call(origin, "PATCH", `/v1/sessions/${id}`, change), told);
export const endSession = (origin, id) => call(origin, "DELETE", `/v1/sessions/${id}`);

/** A break of a game, for all who watch it: whoever comes second finds it there. */
export async function beginBreak(origin, game, wish) {
  try {
    await call(origin, "POST", `/v1/operator/games/${game}/breaks`, wish, OPERATOR_KEY);
  } catch (error) {
    if (error.code !== "break_running") throw error;
  }
}
