/** Rings whenever something has changed, for whoever waits for something to become true. */
export class Bell {
  readonly #waiting = new Set<() => void>();

  readonly ring = (): void => {
    for (const look of [...this.#waiting]) look();
  };

  /** Waits until something is true; answers whether it was within so many milliseconds. */
  until(isTrue: () => boolean, patience: number): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (answer: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(answer);
      };
      const look = (): void => {
        if (isTrue()) end(true);
      };
      const timer = setTimeout(end, patience, false);
      this.#waiting.add(look);
      look();
    });
  }
}
