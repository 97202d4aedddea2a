/**
 * Calls `wake` when a browser goes online or offline, or its tab becomes visible, until `signal` aborts. Events are
 * ignored while the tab is hidden.
 */
export function onAwake(wake: () => void, signal: AbortSignal): void {
  const page = globalThis as Partial<EventTarget> & { document?: EventTarget & { hidden: boolean } };
  const { document } = page;
  const check = (): void => {
    if (!document?.hidden) wake();
  };
  for (const name of ["online", "offline"]) page.addEventListener?.(name, check, { signal });
  document?.addEventListener("visibilitychange", check, { signal });
}
