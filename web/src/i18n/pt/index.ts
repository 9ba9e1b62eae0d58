// Textos em português do Brasil.
import type { Dictionary } from "../index";
import { access } from "./access";
import { data } from "./data";
import { frame } from "./frame";
import { models } from "./models";
import { runs } from "./runs";

export const pt: Dictionary = { ...access, ...frame, ...runs, ...models, ...data };
