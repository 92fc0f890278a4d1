// Debian's Chromium for the tests. It runs without a sandbox, because tests run as root and in containers.
import {chromium} from 'playwright-core';

const OFFLINE = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-dev-shm-usage',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const launch = () => chromium.launch({executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: OFFLINE});

// Runs TEST(open), where open() makes a page. Every error of a page fails the test, even a violation of its
// Content-Security-Policy.
export async function withBrowser(test, options = {}) {
  const browser = await launch();
  const problems = [];
  const open = async (more = {}) => {
    const context = await browser.newContext({ignoreHTTPSErrors: true, ...options, ...more});
    const page = await context.newPage();
    page.setDefaultTimeout(Number(process.env.PAGE_MS || 60000));
    page.on('pageerror', (error) => problems.push(`${page.url()}: ${error.message}`));
    page.on('console', (message) => {
      // A refusal by the server is not an error of the page: the page shows it. ERR_FAILED is a request that a test aborts.
      if (message.type() === 'error' && !/Failed to load resource: (the server responded|net::ERR_FAILED)/.test(message.text())) {
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
