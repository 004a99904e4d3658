// The OpenAPI document as far as the reference page reads it, and what is made of it.

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  enum?: unknown[];
  items?: Schema;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  required?: string[];
  oneOf?: Schema[];
  allOf?: Schema[];
  examples?: unknown[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  minLength?: number;
  maxLength?: number;
}

export interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  required?: boolean;
  description?: string;
  schema?: Schema;
}

export interface Answer {
  description: string;
  content?: Record<string, { schema?: Schema }>;
  headers?: Record<string, { description?: string }>;
}

export interface Operation {
  operationId: string;
  tags?: string[];
  summary?: string;
  description?: string;
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema?: Schema }>; description?: string };
  responses: Record<string, Answer>;
  security?: Record<string, string[]>[];
}

export interface Description {
  info: { title: string; version: string; description?: string };
  tags?: { name: string; description?: string }[];
  paths: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Schema> };
}

/** An operation and where it is. */
export interface Route {
  method: string;
  path: string;
  operation: Operation;
}

export interface Group {
  name: string;
  description: string;
  routes: Route[];
}

/** A piece of a type's text; with `schema` it is the name of one. */
export interface Piece {
  text: string;
  schema?: string;
}

/** A member of a shape. */
export interface Member {
  name: string;
  required: boolean;
  type: Piece[];
  about: string;
}

const SCHEMAS = "#/components/schemas/";
const SAMPLE_DEPTH = 6;

/** The routes by tag, in the document's order. */
export function groupsOf(description: Description): Group[] {
  const routes = Object.entries(description.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]): Route => ({ method: method.toUpperCase(), path, operation })),
  );
  return (description.tags ?? []).map(({ name, description: about }) => ({
    name,
    description: about ?? "",
    routes: routes.filter(({ operation }) => operation.tags?.includes(name) === true),
  }));
}

/** Whether a route has every word of a search somewhere that people look. */
export function isMeant({ method, path, operation }: Route, search: string): boolean {
  const codes = Object.entries(operation.responses).map(([status, answer]) => `${status} ${answer.description}`);
  const text = [method, path, operation.operationId, operation.summary, operation.description, ...codes].join(" ").toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

export const nameOf = (ref: string): string => ref.slice(SCHEMAS.length);

/** What a value may be, in pieces: `list of Slot`, `text or null`. */
export function typeOf(schema: Schema | undefined): Piece[] {
  if (schema === undefined) return [{ text: "anything" }];
  if (schema.$ref !== undefined) return [{ text: nameOf(schema.$ref), schema: nameOf(schema.$ref) }];
  if (schema.oneOf !== undefined) return joined(schema.oneOf.map(typeOf), " or ");
  if (schema.allOf !== undefined) return joined(schema.allOf.map(typeOf), " and ");
  if (schema.enum !== undefined) return [{ text: schema.enum.map((value) => JSON.stringify(value)).join(", ") }];
  const types = [schema.type ?? "anything"].flat().sort((a, b) => Number(a === "null") - Number(b === "null"));
  return joined(types.map((type) => typePieces(type, schema)), " or ");
}

function typePieces(type: string, schema: Schema): Piece[] {
  switch (type) {
    case "array":
      return [{ text: `list${between(schema.minItems, schema.maxItems)} of ` }, ...typeOf(schema.items)];
    case "object":
      return typeof schema.additionalProperties === "object"
        ? [{ text: "object, of each name " }, ...typeOf(schema.additionalProperties)]
        : [{ text: "object" }];
    case "string":
      return [{ text: `text${between(schema.minLength, schema.maxLength)}` }];
    case "integer":
      return [{ text: `whole number${between(schema.minimum, schema.maximum)}` }];
    case "number":
      return [{ text: `number${between(schema.minimum, schema.maximum)}` }];
    case "boolean":
      return [{ text: "true or false" }];
    default:
      return [{ text: type }];
  }
}

function between(least: number | undefined, most: number | undefined): string {
  if (least === undefined && most === undefined) return "";
  if (least === undefined) return ` (at most ${most})`;
  return most === undefined ? ` (${least} or more)` : ` (${least} to ${most})`;
}

function joined(parts: Piece[][], word: string): Piece[] {
  return parts.flatMap((pieces, at) => (at === 0 ? pieces : [{ text: word }, ...pieces]));
}

/** The members of a shape, those of all its parts. */
export function membersOf(schema: Schema, schemas: Record<string, Schema>): Member[] {
  if (schema.$ref !== undefined) {
    const named = schemas[nameOf(schema.$ref)];
    return named === undefined ? [] : membersOf(named, schemas);
  }
  if (schema.allOf !== undefined) return schema.allOf.flatMap((part) => membersOf(part, schemas));
  return Object.entries(schema.properties ?? {}).map(([name, member]) => ({
    name,
    required: schema.required?.includes(name) === true,
    type: typeOf(member),
    about: member.description ?? "",
  }));
}

/** A value of a shape: its example, or one made up. */
export function sampleOf(schema: Schema | undefined, schemas: Record<string, Schema>, depth = 0): unknown {
  if (schema === undefined || depth > SAMPLE_DEPTH) return null;
  if (schema.examples?.[0] !== undefined) return schema.examples[0];
  if (schema.$ref !== undefined) return sampleOf(schemas[nameOf(schema.$ref)], schemas, depth + 1);
  if (schema.oneOf !== undefined) return sampleOf(schema.oneOf.find((one) => one.type !== "null"), schemas, depth + 1);
  if (schema.allOf !== undefined) return Object.assign({}, ...schema.allOf.map((part) => sampleOf(part, schemas, depth + 1)));
  if (schema.enum !== undefined) return schema.enum[0];
  switch ([schema.type ?? "null"].flat()[0]) {
    case "array":
      return [sampleOf(schema.items, schemas, depth + 1)];
    case "object":
      return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, member]) => [name, sampleOf(member, schemas, depth + 1)]));
    case "string":
      return "…";
    case "integer":
    case "number":
      return schema.minimum ?? 0;
    case "boolean":
      return false;
    default:
      return null;
  }
}

/** Which keys a route takes: one of them; none where it needs none. */
export function keysOf({ operation }: Route): string[] {
  return (operation.security ?? []).flatMap((one) => Object.keys(one));
}

/** How a route is asked with curl. */
export function curlOf(route: Route, origin: string, schemas: Record<string, Schema>): string {
  const lines = [`curl ${route.method === "GET" ? "" : `-X ${route.method} `}'${origin}${route.path}'`];
  const key = keysOf(route)[0];
  if (key !== undefined) lines.push(`-H 'Authorization: Bearer <${key.replace("_", " ")}>'`);
  const [type, body] = Object.entries(route.operation.requestBody?.content ?? {})[0] ?? [];
  if (type === "application/json") {
    lines.push(`-H 'Content-Type: ${type}'`, `-d '${JSON.stringify(sampleOf(body?.schema, schemas))}'`);
  } else if (type !== undefined) {
    lines.push("--data-binary @<file>");
  }
  return lines.join(" \\\n     ");
}
