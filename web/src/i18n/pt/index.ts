// Textos em português do Brasil.
import type { Dictionary } from "../index";
import { access } from "./access";
import { data } from "./data";
import { failures } from "./failures";
import { frame } from "./frame";
import { models } from "./models";
import { runs } from "./runs";

export const pt: Dictionary = { ...access, ...failures, ...frame, ...runs, ...models, ...data };
