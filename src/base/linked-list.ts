/** A place in a list from oldest to newest, which anything can leave at once. The list is a place too, between its ends. */
export class LinkedNode {
  declare older: LinkedNode;
  declare newer: LinkedNode;

  // Not as initialisers: V8 takes ten times as long for those once five classes inherit them.
  constructor() {
    this.older = this;
    this.newer = this;
  }

  /** Whether it is an empty list, or a place in none. */
  get isUnlinked(): boolean {
    return this.newer === this;
  }

  moveTo(list: LinkedNode): void {
    this.leave();
    this.older = list.older;
    this.newer = list;
    this.older.newer = this;
    list.older = this;
  }

  leave(): void {
    if (this.isUnlinked) return;
    this.older.newer = this.newer;
    this.newer.older = this.older;
    this.older = this.newer = this;
  }
}
