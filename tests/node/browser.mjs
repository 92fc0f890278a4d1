// Chromium for the tests of pages. Debian's; without a sandbox, since tests run as root and in containers.
import {chromium} from 'playwright-core';

const OFFLINE = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-dev-shm-usage',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

// Runs TEST({page, browser}); every error of a page, also of its Content-Security-Policy, is a failure.
export async function withBrowser(test, options = {}) {
  const browser = await chromium.launch({executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: OFFLINE});
  const problems = [];
  const open = async (more = {}) => {
    const context = await browser.newContext({ignoreHTTPSErrors: true, ...options, ...more});
    const page = await context.newPage();
    page.setDefaultTimeout(60000);
    page.on('pageerror', (error) => problems.push(`${page.url()}: ${error.message}`));
    page.on('console', (message) => {
      // A refusal that the page shows is none of its errors.
      if (message.type() === 'error' && !/Failed to load resource: the server responded/.test(message.text())) {
        problems.push(`${page.url()}: ${message.text()}`);
      }
    });
    return page;
  };
  try {
    await test(open);
  } finally {
    await browser.close();
  }
  if (problems.length) throw new Error(`errors in the page:\n${problems.join('\n')}`);
}
