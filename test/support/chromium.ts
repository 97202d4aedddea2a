import process from "node:process";
import { type Browser, chromium } from "playwright-core";

/** The browser of the tests. It may not exist. */
export const executablePath: string = process.env.CHROMIUM ?? "/usr/bin/chromium";

const args = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath, args });
}
