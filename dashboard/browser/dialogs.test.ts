/** Every dialog and popover: by keyboard alone, and under the checks of axe, light and dark. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { Browser, Locator, Page } from "playwright-core";

import { accessible, demonstration, fits, hasFocus, isSignedIn, launch, remove, settled, signInAs, withPage, type Site } from "./harness.ts";

interface Dialog {
  name: string | RegExp;
  path: string;
  /** What opens it when Enter is pressed there. */
  opener: (page: Page) => Locator;
  /** Keys that are pressed at the opener before. */
  keys?: string[];
  /** Whether what is behind it cannot be reached while it is open. */
  isModal: boolean;
}

const button = (name: string | RegExp) => (page: Page) => page.getByRole("button", { name });
const EXPLORE = "/explore?metrics=posts_created&days=30";
const DIALOGS: Dialog[] = [
  { name: "Account", path: "/", opener: button("Signed in as admin"), isModal: false },
  { name: "Choose metrics", path: EXPLORE, opener: button("Choose metrics"), isModal: false },
  { name: "Annotate a day", path: EXPLORE, opener: button("Annotate a day…"), isModal: true },
  { name: "What is shown, as a program asks for it", path: EXPLORE, opener: button("Copy as…"), isModal: true },
  // Of a day, which is its name.
  { name: /\d{4}$/, path: EXPLORE, opener: (page) => page.getByRole("application", { name: /^New posts/ }), keys: ["Home"], isModal: true },
  { name: "Silence alerts", path: "/operations/alerts", opener: button("Silence alerts…"), isModal: true },
  { name: "Pause the schedule", path: "/operations", opener: button("Pause…"), isModal: true },
  { name: "Revoke reader?", path: "/operations/keys", opener: button("Revoke… reader"), isModal: true },
];

/** The controls of the dialog that Tab is to reach: of radio buttons the chosen one. */
const CONTROLS = "a[href], button:not(:disabled), input:not(:disabled, [type=radio]:not(:checked)), select, textarea";

/** Presses Tab until every control of the dialog had the focus, and fails where a modal one lets it out. */
async function reachesAll(page: Page, dialog: Locator, isModal: boolean): Promise<void> {
  const count = await dialog.locator(CONTROLS).count();
  assert.ok(count > 0, "the dialog has controls");
  const reached = new Set<number>();
  const state = () =>
    dialog.evaluate((dialog, controls) => {
      const focused = document.activeElement;
      // Beyond its last control is the browser's own surface, whose page is the body.
      const isInside = focused === document.body || dialog.contains(focused);
      return { isInside, at: [...dialog.querySelectorAll(controls)].indexOf(focused as Element) };
    }, CONTROLS);
  for (let step = 0; step < 4 * count + 8 && reached.size < count; step++) {
    const { isInside, at } = await state();
    assert.ok(isInside || !isModal, "the focus has left the dialog");
    if (at >= 0) reached.add(at);
    if (reached.size < count) await page.keyboard.press("Tab");
  }
  assert.equal(reached.size, count, "Tab reaches every control");
}

describe("every dialog", () => {
  let site: Site;
  let browser: Browser;
  before(async () => {
    browser = await launch();
    site = await demonstration({ days: 60, missing: 0, hasKeys: true });
  });
  after(async () => {
    await browser?.close();
    if (site) await remove(site);
  });

  async function opened(page: Page, { name, opener, keys = [] }: Dialog): Promise<Locator> {
    await opener(page).focus();
    for (const key of [...keys, "Enter"]) await page.keyboard.press(key);
    const dialog = page.getByRole("dialog", { name });
    await dialog.waitFor();
    await settled(page);
    return dialog;
  }

  for (const shown of DIALOGS)
    test(`is opened, gone through and closed by keyboard, and gives the focus back: ${shown.name}`, () =>
      withPage(browser, {}, async (page) => {
        await signInAs(page, site, "admin", shown.path);
        const dialog = await opened(page, shown);
        await reachesAll(page, dialog, shown.isModal);
        await page.keyboard.press("Escape");
        await dialog.waitFor({ state: "hidden" });
        await hasFocus(shown.opener(page));
      }));

  for (const colorScheme of ["light", "dark"] as const)
    test(`passes the checks of axe and fits a phone, ${colorScheme}`, () =>
      withPage(browser, { colorScheme, reducedMotion: "reduce", viewport: { width: 320, height: 640 } }, async (page) => {
        await signInAs(page, site, "admin");
        for (const shown of DIALOGS) {
          await page.goto(site.url + shown.path);
          await isSignedIn(page, "admin");
          const dialog = await opened(page, shown);
          await accessible(page, `${shown.name}, ${colorScheme}`);
          await fits(page, String(shown.name));
          const box = await dialog.boundingBox();
          assert.ok(box && box.x >= 0 && box.x + box.width <= 320, `${shown.name} is in the window: ${JSON.stringify(box)}`);
        }
      }));
});
