/** Lets callers wait for conditions. Each call of `ring` checks every condition again. */
export class Bell {
  readonly #waiting = new Set<() => void>();

  readonly ring = (): void => {
    for (const check of [...this.#waiting]) check();
  };

  /** Waits until `isTrue` returns true. Resolves with false if it does not within `patience` milliseconds. */
  until(isTrue: () => boolean, patience: number): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (answer: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve(answer);
      };
      const check = (): void => {
        if (isTrue()) end(true);
      };
      const timer = setTimeout(end, patience, false);
      this.#waiting.add(check);
      check();
    });
  }
}
