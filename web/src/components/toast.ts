// Short confirmations of actions, read out by screen readers.
import { useSyncExternalStore } from "react";

export interface Toast {
  id: number;
  text: string;
}

const VISIBLE_MILLIS = 5_000;

let toasts: readonly Toast[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

function update(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

export function showToast(text: string): void {
  const id = nextId++;
  update([...toasts, { id, text }]);
  setTimeout(() => {
    update(toasts.filter((toast) => toast.id !== id));
  }, VISIBLE_MILLIS);
}

export function useToasts(): readonly Toast[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
}
