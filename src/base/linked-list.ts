/** A place in a list from oldest to newest, which anything can leave at once. The list is a place too, between its ends. */
export class Linked {
  declare older: Linked;
  declare newer: Linked;

  // Not as initialisers: V8 takes ten times as long for those once five classes inherit them.
  constructor() {
    this.older = this;
    this.newer = this;
  }

  /** Whether it is an empty list, or a place in none. */
  get isAlone(): boolean {
    return this.newer === this;
  }

  moveTo(list: Linked): void {
    this.leave();
    this.older = list.older;
    this.newer = list;
    this.older.newer = this;
    list.older = this;
  }

  leave(): void {
    if (this.isAlone) return;
    this.older.newer = this.newer;
    this.newer.older = this.older;
    this.older = this.newer = this;
  }
}
