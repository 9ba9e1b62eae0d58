// English texts. Their keys are the reference for every other language.
import { access } from "./access";
import { data } from "./data";
import { failures } from "./failures";
import { frame } from "./frame";
import { models } from "./models";
import { runs } from "./runs";

export const en = { ...access, ...failures, ...frame, ...runs, ...models, ...data };

/** A dictionary with the same keys. */
export type Plurals<T> = { readonly [Key in keyof T]: T[Key] extends string ? string : Plurals<T[Key]> };
