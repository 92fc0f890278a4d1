/*
 * Makes tokens with the npm package jose: for each algorithm a key, in the forms that a hub reads, and
 * tokens signed with it. Prints one JSON object: algorithm -> { raw, jwk, set, tokens }.
 */
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto; // Node 18 keeps it behind a flag
const { SignJWT, exportJWK, exportSPKI, generateKeyPair } = await import('jose');

const ISSUER = 'https://issuer.example';
const AUDIENCE = 'https://hub.example/.well-known/mercure';
const ALGORITHMS = ['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512',
    'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];

const details = [{
    type: 'https://mercure.rocks/authorization-detail',
    actions: ['publish', 'subscribe'],
    topics: [{ match: 'https://example.com/books/1' }],
    payload: { name: 'é', n: 0.1 },
}];

/* A key pair, or the secret as both keys; raw is the secret or the public key in PEM. */
async function makeKey(alg) {
    if (alg.startsWith('HS')) {
        const raw = Buffer.from(webcrypto.getRandomValues(new Uint8Array(48))).toString('base64url');
        const key = new TextEncoder().encode(raw);
        return { privateKey: key, publicKey: key, raw };
    }
    const pair = await generateKeyPair(alg, { extractable: true });
    return { ...pair, raw: await exportSPKI(pair.publicKey) };
}

function claims(more = {}) {
    return new SignJWT({ client_id: ISSUER, authorization_details: details, ...more })
        .setIssuer(ISSUER).setAudience(AUDIENCE).setSubject('alice').setJti('1').setIssuedAt();
}

const result = {};
for (const alg of ALGORITHMS) {
    const key = await makeKey(alg);
    const other = await makeKey(alg);
    const jwk = { ...await exportJWK(key.publicKey), kid: 'mine', use: 'sig', alg };
    const otherJwk = { ...await exportJWK(other.publicKey), kid: 'other', use: 'sig', alg };
    const header = { alg, typ: 'at+jwt', kid: 'mine' };
    const sign = (jwt, head = header, by = key) => jwt.setProtectedHeader(head).sign(by.privateKey);

    result[alg] = {
        raw: key.raw,
        jwk: JSON.stringify(jwk),
        set: JSON.stringify({ keys: [otherJwk, jwk] }),
        tokens: {
            good: await sign(claims().setExpirationTime('1h')),
            no_kid: await sign(claims().setExpirationTime('1h'), { alg, typ: 'application/at+jwt' }),
            fraction: await sign(claims({ exp: Date.now() / 1000 + 3600.5 })),
            other_key: await sign(claims().setExpirationTime('1h'), header, other),
            other_kid: await sign(claims().setExpirationTime('1h'), { ...header, kid: 'other' }),
            id_token: await sign(claims().setExpirationTime('1h'), { ...header, typ: 'JWT' }),
            expired: await sign(claims().setExpirationTime('-1s')),
            early: await sign(claims().setExpirationTime('1h').setNotBefore('30m')),
            forever: await sign(claims()),
            elsewhere: await sign(claims().setExpirationTime('1h').setAudience('https://x.example')),
        },
    };
}
console.log(JSON.stringify(result));
