// Prints the JavaScript forms of TypeScript files as a list in JSON: node javascript.mjs NODE_MODULES FILE...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, ...files] = process.argv.slice(2);
const ts = createRequire(join(modules, "x.js"))("typescript");
const BLANK = "//!blank";
const PLACE = /^import .*(\/\/ \{\w+\})$/;

function build(file) {
  const places = [];
  const source = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => !(PLACE.test(line) && line.startsWith("import type ")))
    .map((line) => {
      const place = PLACE.exec(line);
      if (place) places.push(line.replace("type Prisma, ", ""));
      return place ? `//!place${places.length - 1}` : line === "" ? BLANK : line;
    })
    .join("\n");
  const { outputText } = ts.transpileModule(source, {
    fileName: file, // tells .tsx from .ts
    compilerOptions: {
      target: "ES2022", module: "ESNext", verbatimModuleSyntax: true, removeComments: false, jsx: ts.JsxEmit.Preserve,
    },
  });
  const lines = outputText.trimEnd().split("\n").map((line) => {
    const text = line.trim();
    if (text.startsWith("//!place")) return places[Number(text.slice(8))];
    return text === BLANK ? "" : line;
  });
  // The types are gone and leave gaps.
  return `${lines.join("\n").replace(/\n{3,}/g, "\n\n")}\n`;
}

process.stdout.write(JSON.stringify(files.map(build)));
