// Keyboard shortcuts of pages: single keys, and sequences such as "g r". Keys typed into a field are never shortcuts.
import { useEffect, useRef, useSyncExternalStore } from "react";

export interface Shortcut {
  keys: string;
  label: string;
  run: () => void;
}

const SEQUENCE_MILLIS = 1_200;

const registered = new Map<symbol, readonly Shortcut[]>();
const listeners = new Set<() => void>();
let snapshot: readonly Shortcut[] = [];

function publish(): void {
  snapshot = [...registered.values()].flat();
  for (const listener of listeners) listener();
}

/** All shortcuts of the current page, for the help. */
export function useRegisteredShortcuts(): readonly Shortcut[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => snapshot,
  );
}

export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

export function useShortcuts(shortcuts: readonly Shortcut[], enabled = true): void {
  const current = useRef(shortcuts);
  const names = shortcuts.map((shortcut) => `${shortcut.keys} ${shortcut.label}`).join("\n");
  useEffect(() => {
    current.current = shortcuts;
  });
  useEffect(() => {
    if (!enabled) return;
    const owner = Symbol(names);
    registered.set(owner, current.current);
    publish();
    let pending = "";
    let pendingSince = 0;
    const onKey = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector('[role="dialog"]') !== null) return;
      const isSequence = pending !== "" && event.timeStamp - pendingSince < SEQUENCE_MILLIS;
      const keys = isSequence ? `${pending} ${event.key}` : event.key;
      const found = current.current.find((shortcut) => shortcut.keys === keys);
      pending = "";
      if (found !== undefined) {
        // Enter and Space on a control belong to the control
        if ((event.key === "Enter" || event.key === " ") && isControl(event.target)) return;
        event.preventDefault();
        found.run();
      } else if (current.current.some((shortcut) => shortcut.keys.startsWith(`${event.key} `))) {
        pending = event.key;
        pendingSince = event.timeStamp;
      }
    };
    window.addEventListener("keydown", onKey);
    return () => {
      window.removeEventListener("keydown", onKey);
      registered.delete(owner);
      publish();
    };
  }, [names, enabled]);
}

function isControl(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("button, a, [role=option], [role=tab]") !== null;
}
