// The reference's elements. What the document says is text, with `code` in backticks.

import { h } from "../dom";
import { curlOf, keysOf, membersOf, sampleOf, typeOf, type Answer, type Group, type Member, type Parameter, type Piece, type Route, type Schema } from "./description";

type Schemas = Record<string, Schema>;

const KEY_NAMES: Record<string, string> = { device_key: "device", operator_key: "operator" };

/** Text with its `code`. */
export function prose(text: string): Node[] {
  return text.split("`").map((part, at) => (at % 2 === 1 ? h("code", {}, part) : document.createTextNode(part)));
}

/** Paragraphs, where empty lines stand between them. */
export const paragraphs = (text: string): HTMLElement[] => text.split(/\n\s*\n/).map((one) => h("p", {}, ...prose(one)));

const pieces = (type: Piece[]): Node[] =>
  type.map(({ text, schema }) => (schema === undefined ? document.createTextNode(text) : h("a", { href: `#shape-${schema}` }, text)));

function table(caption: string, heads: string[], rows: Node[][][]): HTMLElement {
  const row = (cells: Node[][]) => {
    const [first, ...others] = cells.map((cell, at) => h(at === 0 ? "th" : "td", at === 0 ? { scope: "row" } : {}, ...cell));
    return h("tr", {}, first ?? null, ...others);
  };
  const head = h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text))));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, h("table", {}, h("caption", {}, caption), head, h("tbody", {}, ...rows.map(row))));
}

const named = (name: string, isNeeded: boolean): Node[] => [h("code", {}, name), ...(isNeeded ? [] : [h("small", {}, " optional")])];

const parameterRow = ({ name, in: where, required, description, schema }: Parameter): Node[][] => [
  named(name, required === true),
  [document.createTextNode(where)],
  pieces(typeOf(schema)),
  prose(description ?? ""),
];

const memberRow = ({ name, required, type, about }: Member): Node[][] => [named(name, required), pieces(type), prose(about)];

function answerRow([status, answer]: [string, Answer]): Node[][] {
  const [type, body] = Object.entries(answer.content ?? {})[0] ?? [];
  const shown = type === undefined ? [] : type.includes("json") ? pieces(typeOf(body?.schema)) : [h("code", {}, type)];
  return [[document.createTextNode(status)], prose(answer.description), shown];
}

const code = (label: string, text: string): HTMLElement => h("figure", {}, h("figcaption", {}, label), h("pre", { tabindex: 0, role: "region", "aria-label": label }, h("code", {}, text)));

function keysText(route: Route): string {
  const keys = keysOf(route).map((key) => KEY_NAMES[key] ?? key);
  if (keys.length === 0) return "No key is needed.";
  const isFree = route.operation.security?.some((one) => Object.keys(one).length === 0) === true;
  return `Needs a key: ${keys.join(" or ")}${isFree ? ", here or in the address" : ""}.`;
}

export function routeView(route: Route, schemas: Schemas, origin: string): HTMLElement {
  const { method, path, operation } = route;
  const title = h("h3", { id: operation.operationId }, h("span", { class: `method ${method.toLowerCase()}` }, method), " ", h("code", {}, path));
  const more = operation.description === operation.summary ? "" : (operation.description ?? "");
  const sent = Object.entries(operation.requestBody?.content ?? {})[0];
  const parts: HTMLElement[] = [h("p", { class: "summary" }, ...prose(operation.summary ?? ""))];
  if (more !== "") parts.push(...paragraphs(more));
  parts.push(h("p", { class: "keys" }, keysText(route), " ", h("span", {}, "Operation ", h("code", {}, operation.operationId), ".")));
  if (operation.parameters !== undefined && operation.parameters.length > 0) {
    parts.push(table(`Parameters of ${method} ${path}`, ["name", "in", "type", "meaning"], operation.parameters.map(parameterRow)));
  }
  if (sent !== undefined && sent[0] === "application/json") {
    parts.push(h("p", {}, "Body: ", ...pieces(typeOf(sent[1].schema)), "."));
    parts.push(table(`Body of ${method} ${path}`, ["field", "type", "meaning"], membersOf(sent[1].schema ?? {}, schemas).map(memberRow)));
  }
  parts.push(table(`Answers of ${method} ${path}`, ["status", "meaning", "body"], Object.entries(operation.responses).map(answerRow)));
  parts.push(code(`${method} ${path} with curl`, curlOf(route, origin, schemas)));
  return h("article", { "aria-labelledby": operation.operationId }, title, ...parts);
}

export function groupView({ name, description }: Group, articles: HTMLElement[]): HTMLElement {
  return h("section", { "aria-labelledby": `group-${name}` }, h("h2", { id: `group-${name}` }, title(name)), h("p", {}, ...prose(description)), ...articles);
}

export const title = (name: string): string => `${name.charAt(0).toUpperCase()}${name.slice(1)}`;

export function shapeView(name: string, schema: Schema, schemas: Schemas): HTMLElement {
  const id = `shape-${name}`;
  const members = membersOf(schema, schemas);
  const parts: HTMLElement[] = [...(schema.description === undefined ? [] : paragraphs(schema.description))];
  if (members.length > 0) parts.push(table(`Members of ${name}`, ["member", "type", "meaning"], members.map(memberRow)));
  else parts.push(h("p", {}, ...pieces(typeOf(schema))));
  if (schema.examples !== undefined) parts.push(code(`Example of ${name}`, JSON.stringify(sampleOf(schema, schemas), null, 2)));
  return h("article", { "aria-labelledby": id }, h("h3", { id }, name), ...parts);
}
