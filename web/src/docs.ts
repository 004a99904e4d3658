// Puts the reference page together: all that /openapi.json says, in one page that can be searched.

import { h } from "./dom";
import { groupsOf, isMeant, type Description } from "./reference/description";
import { groupView, paragraphs, routeView, shapeView, title } from "./reference/view";

const app = document.getElementById("app");

function show(description: Description): void {
  const schemas = description.components?.schemas ?? {};
  const groups = groupsOf(description).map((group) => {
    const routes = group.routes.map((route) => ({
      route,
      article: routeView(route, schemas, location.origin),
      entry: h("li", {}, h("a", { href: `#${route.operation.operationId}` }, h("span", { class: `method ${route.method.toLowerCase()}` }, route.method), " ", route.path)),
    }));
    const list = h("li", {}, h("a", { href: `#group-${group.name}` }, title(group.name)), h("ul", {}, ...routes.map(({ entry }) => entry)));
    return { section: groupView(group, routes.map(({ article }) => article)), list, routes };
  });
  const shapes = Object.entries(schemas).map(([name, schema]) => shapeView(name, schema, schemas));
  const search = h("input", { id: "search", type: "search", autocomplete: "off", spellcheck: "false" });
  const found = h("p", { class: "found", role: "status" });
  search.addEventListener("input", () => {
    let count = 0;
    for (const { section, list, routes } of groups) {
      const meant = routes.filter(({ route, article, entry }) => {
        const shown = isMeant(route, search.value);
        article.hidden = entry.hidden = !shown;
        return shown;
      });
      section.hidden = list.hidden = meant.length === 0;
      count += meant.length;
    }
    found.textContent = search.value.trim() === "" ? "" : `${count} ${count === 1 ? "route" : "routes"}`;
  });
  const header = h(
    "header",
    { class: "bar" },
    h("p", { class: "brand" }, h("a", { href: "/" }, description.info.title), " ", h("span", {}, `API ${description.info.version}`)),
    h("div", { class: "search" }, h("label", { for: "search" }, "Search"), search, found),
    h("a", { class: "document", href: "/openapi.json" }, "openapi.json"),
  );
  const contents = h("nav", { "aria-label": "Routes" }, h("ul", {}, ...groups.map(({ list }) => list), h("li", {}, h("a", { href: "#shapes" }, "Shapes"))));
  const main = h(
    "main",
    { id: "reference", tabindex: -1 },
    h("h1", {}, "API reference"),
    ...paragraphs(description.info.description ?? ""),
    ...groups.map(({ section }) => section),
    h("section", { "aria-labelledby": "shapes" }, h("h2", { id: "shapes" }, "Shapes"), ...shapes),
  );
  app?.replaceChildren(header, contents, main);
  // What the address points at was not there yet when the page came.
  if (location.hash !== "") document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

async function load(): Promise<void> {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`/openapi.json: ${answer.status}`);
  show((await answer.json()) as Description);
}

load().catch((error: unknown) => app?.replaceChildren(h("main", { id: "reference" }, h("h1", {}, "API reference"), h("p", { role: "alert" }, `The description cannot be read: ${String(error)}. Load the page again.`))));
