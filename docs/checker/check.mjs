// Judges an rtgf evidence file with no network:  node check.mjs FILE ROOT_KEY [WITNESS_KEY]...
// Written from docs/formats.md; shares no code with the node. Exit code 0: in force; 10: signature;
// 11: key or token outside its time; 12: withdrawn; 13: not what the log holds; 65: malformed.
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { inflateSync } from "node:zlib";
const FORMAT = "rtgf-evidence/1", MAX_BYTES = 4 << 20, MAX_DEPTH = 64, SKEW = 120; // bytes, levels, seconds
const LIST_BYTES = 2 * 2 ** 17 / 8, STATUS = { valid: 0, invalid: 1, suspended: 2 };
const refuse = (exit, why) => { throw Object.assign(new Error(why), { exit }); };
const must = (holds, exit, why) => holds || refuse(exit, why);
const hash = (name, ...parts) => parts.reduce((h, part) => h.update(part), createHash(name)).digest();
const digest = (name, data) => `${name}:${hash(name, data).toString("hex")}`;
const root = (text) => Buffer.from(text.slice("sha256:".length), "hex");
// --- Canonical JSON (RFC 8785), and the forms of things ---
function canonical(value, depth = MAX_DEPTH) {
  if (typeof value === "string") must(value.isWellFormed(), 65, "a lone surrogate is not text");
  if (Number.isInteger(value) && Math.abs(value) < 1e21) must(Number.isSafeInteger(value), 65, "a number too large");
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  must(depth > 0, 65, "nested too deep");
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth - 1)).join()}]`;
  const names = Object.keys(value).sort(); // by UTF-16 code units, as RFC 8785 asks
  return `{${names.map((name) => `${canonical(name)}:${canonical(value[name], depth - 1)}`).join()}}`;
}
const object = (value, ...names) => must(value !== null && typeof value === "object" && !Array.isArray(value)
  && Object.keys(value).sort().join() === names.sort().join(), 65, `an object of ${names.join(", ")} is due`) && value;
const list = (of, min, max) => must(Array.isArray(of) && of.length >= min && of.length <= max, 65, "no list") && of;
const hashes = (of) => list(of, 0, 63).map((h) => must(/^[\da-f]{64}$/.test(h), 65, "hash") && Buffer.from(h, "hex"));
const seconds = (text) => must(new Date(text).toISOString() === text.replace("Z", ".000Z"), 65, "not a time")
  && new Date(text) / 1000;
const decode = (text, encoding = "base64url", data = Buffer.from(text, encoding)) => // nothing can be slipped in:
  must(data.toString(encoding) === text, 10, `not ${encoding}`) && data; // bytes have one text
const without = (value, ...out) => Object.fromEntries(Object.entries(value).filter(([name]) => !out.includes(name)));
// --- Signatures: Ed25519 (RFC 8037) over JWS (RFC 7515) and over C2SP signed notes ---
const ed25519 = (x, message, signature) => verify(
  null, Buffer.from(message), createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" }), signature);
const split = (jws) => must(jws.split(".").length === 3, 10, "not a JWS") && jws.split(".");
function checkJws([head, middle, tail], typ, use, keys, at) {
  const { alg, kid, crit, typ: stated } = JSON.parse(decode(head));
  must(stated === typ && /^(EdDSA|Ed25519)$/.test(alg) && crit === undefined, 10, `not a signature of ${typ}`);
  const key = keys.get(kid) ?? refuse(10, `the key ${kid} is unknown`);
  must(at >= key.from - SKEW && at <= key.until + SKEW && at < key.revoked, 11, `the key ${kid} is out of its time`);
  must(key.use === use && ed25519(key.x, `${head}.${middle}`, decode(tail)), 10, `${typ}: wrong signature`);
  return kid;
}
function signersOf(document, typ, use, keys, at) { // those whose signatures hold; one must
  const middle = Buffer.from(canonical(without(document, "signatures"))).toString("base64url");
  const given = list(document.signatures ?? [], 0, 16).map((each) => object(each, "alg", "jws", "kid"));
  must(given.flatMap(Object.values).every((text) => typeof text === "string"), 65, "a signature is of texts");
  const kids = [], failures = [];
  for (const { alg, kid, jws } of given) try {
    const [head, empty, tail] = split(jws);
    must(empty === "" && /^(EdDSA|Ed25519)$/.test(alg), 10, "not a detached JWS");
    kids.push(must(checkJws([head, middle, tail], typ, use, keys, at) === kid, 10, "another kid inside") && kid);
  } catch (failure) { failures.push(failure); }
  const because = failures.find((each) => each.message.startsWith("the key")) ?? failures[0];
  return must(kids.length > 0, because?.exit ?? 10, because?.message ?? `${typ}: not signed`) && kids;
}
const idOf = (name, encoded) => hash("sha256", `${name}\n`, encoded).subarray(0, 4).toString("hex");
const noteKey = (name, type, x) => ({ name, type, x, id: idOf(name, Buffer.of(type, ...decode(x))) });
function witness(text) { // a plain key is taken as the cosigning key that it belongs to
  const [, name, id, encoded] = text.match(/^([^\s\x85+]+)\+([0-9a-f]{8})\+(.+)$/) ?? refuse(65, "not a verifier key");
  const data = Buffer.from(encoded, "base64"), fits = data.length === 33 && (data[0] === 1 || data[0] === 4);
  return must(fits && idOf(name, data) === id, 65, "a wrong key") && noteKey(name, 4, data.toString("base64url", 1));
}
function openNote(note, logKeys, witnesses = []) { // its text, which the log and all the witnesses have signed
  const end = note.lastIndexOf("\n\n"), text = note.slice(0, end + 1), signed = new Set(), unchecked = [];
  const lines = note.slice(end + 2, -1).split("\n"), form = /^— ((?:[^\s\x85+]|\ufeff)+) (\S+)$/;
  must(end > 0 && note.endsWith("\n") && !/[\x00-\x09\x0b-\x1f]/.test(note) && lines.length <= 100, 10, "no note");
  for (const line of lines) {
    const [, name, encoded] = line.match(form) ?? refuse(10, "a malformed signature line");
    const data = decode(encoded, "base64"); must(data.length > 4, 10, "a short signature line");
    const key = [...logKeys, ...witnesses].find((one) => one.name === name && one.id === data.toString("hex", 0, 4));
    if (key === undefined || signed.has(key)) { unchecked.push(name); continue; }
    const at = key.type === 1 ? 4 : 12, time = at === 12 && data.length === 76 && data.readBigInt64BE(4);
    const message = at === 4 ? text : `cosignature/v1\ntime ${time}\n${text}`;
    must(ed25519(key.x, message, data.subarray(at)), 10, `${name}: wrong signature`) && signed.add(key);
  }
  must(logKeys.some((key) => signed.has(key)), 10, "no key of the log has signed the note");
  return must(witnesses.every((key) => signed.has(key)), 10, "a witness has not cosigned") && { text, unchecked };
}
// --- The log's tree (RFC 9162 §2.1): proofs are used up from their end, the side of the root ---
const node = (left, right) => hash("sha256", "\x01", left, right);
const take = (proof) => proof.pop() ?? refuse(13, "the proof is too short");
const leftOf = (size, left = 1) => left * 2 < size ? leftOf(size, left * 2) : left; // largest power of 2 below size
function rootOver(leaf, index, size, proof) {
  if (size === 1) return leaf;
  const left = leftOf(size), sibling = take(proof);
  if (index < left) return node(rootOver(leaf, index, left, proof), sibling);
  return node(sibling, rootOver(leaf, index - left, size - left, proof));
}
function rootsOver(old, size, proof, oldRoot) { // that of the first `old` leaves, and that of all
  if (old === size) return Array(2).fill(oldRoot ?? take(proof));
  const left = leftOf(size), sibling = take(proof), inLeft = old <= left;
  const [before, after] = inLeft ? rootsOver(old, left, proof, oldRoot) : rootsOver(old - left, size - left, proof);
  return inLeft ? [before, node(after, sibling)] : [node(sibling, before), node(sibling, after)];
}
function checkIncluded({ event, index, path }, head) {
  const proof = hashes(path), leaf = hash("sha256", "\x00", canonical(event));
  must(index < head.tree_size && rootOver(leaf, index, head.tree_size, proof).equals(root(head.root_hash))
    && proof.length === 0, 13, `entry ${index} is not in the tree`);
}
function checkExtends({ tree_size: size, root_hash }, head, proof, issuedIndex) {
  must(size <= issuedIndex, 13, "the token is older than its anchor"); // and the head is newer than both
  const old = root(root_hash), all = root(head.root_hash);
  const roots = size === 0 ? [hash("sha256"), all] : rootsOver(size, head.tree_size, proof, old);
  must(proof.length === 0 && roots[0].equals(old) && roots[1].equals(all), 13, "the log does not extend the anchor");
}
// --- The file: each step stands on those before it ---
function check(bytes, rootKey, witnesses) {
  const written = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes), file = JSON.parse(written);
  must(canonical(file) === written, 65, "not canonical JSON: a member twice, a space, an odd number");
  const { token, issue, build, head, status, keys: { jws, entry: published }, snapshots, terms, datasets, revocations }
    = object(file, "anchor", "build", "checkpoint", "datasets", "format", "head", "issue", "keys", "revocations",
      "snapshots", "status", "terms", "token");
  must(object(file.keys, "entry", "jws") && object(status, "entry", "list") && file.format === FORMAT, 65, FORMAT);
  const sources = [...list(snapshots, 1, 256), ...list(terms, 0, 2), ...list(datasets, 0, 256)];
  const entries = [published, issue, build, ...sources, ...list(revocations, 0, 1000), status.entry ?? []].flat();
  must(entries.every((entry) => object(entry, "event", "index", "path") && hashes(entry.path)
    && object(entry.event, "actor", "at", "digest", "event_id", "payload", "refs", "subject", "type")
    && Number.isSafeInteger(entry.index) && entry.index >= 0), 65, "an entry has an index and a path");
  // The root key vouches, under whatever name, for the keys; nothing else makes a key one of the issuer's.
  const pinned = { x: rootKey, use: "root", from: 0, until: 0, revoked: Infinity };
  checkJws(split(jws), "rtgf-jwks+jws", "root", { get: () => pinned }, 0);
  const jwks = decode(split(jws)[1]), keys = new Map(JSON.parse(jwks).keys.map((key) => [key.kid, { ...key,
    use: key.purpose ?? key.use, from: seconds(key.createdAt), until: seconds(key.expiresAt),
    revoked: key.revokedAt ? seconds(key.revokedAt) : key.revoked ? 0 : Infinity }]));
  object(head, "checkpoint", "issued_at", "origin", "root_hash", "signatures", "tree_size");
  must(Number.isSafeInteger(head.tree_size) && /^sha256:[0-9a-f]{64}$/.test(head.root_hash), 65, "not a tree head");
  const headAt = seconds(head.issued_at), kids = signersOf(head, "rtgf-head+jws", "log", keys, headAt);
  const logKeys = (fit) => [...keys.values()].filter(fit).map((key) => noteKey(head.origin, 1, key.x));
  const text = `${head.origin}\n${head.tree_size}\n${root(head.root_hash).toString("base64")}\n`;
  must(openNote(head.checkpoint, logKeys(({ kid }) => kids.includes(kid))).text === text, 10, "two heads in one");
  const checkpoint = openNote(file.checkpoint, logKeys(({ use }) => use === "log"), witnesses);
  must(checkpoint.text === text, 13, "the checkpoint is of another tree");
  entries.forEach((entry) => checkIncluded(entry, head));
  const kind = ({ event }, type) => event.type === type ? event : refuse(13, `a ${event.type} event, not a ${type}`);
  const issued = kind(issue, "token_issue"), issuedAt = seconds(issued.at);
  must((token.signatures ?? []).every(({ kid }, place) => (place > 0 || kid === token.kid)
    && kid.startsWith(`${token.issuer.replace("did:web:", "")}:ed25519:`)), 65, "signed by somebody else than it says");
  const sealed = canonical(without(token, "canonical_hash", "signatures"));
  must(digest("sha512", sealed) === token.canonical_hash, 65, "the token was edited");
  const vouching = signersOf(token, "rtgf-token+jws", "token", keys, issuedAt);
  // The log holds the key set, issued just this token in its build, and took in its rules and lists before.
  must(kind(published, "jwks_publish").digest === digest("sha256", jwks), 13, "the log has not this key set");
  must(issued.subject === token.token_id && issued.digest === token.canonical_hash && issued.payload.jti === token.jti
    && issued.payload.exp === token.effective.exp, 13, "another token was issued");
  must(kind(build, "build").subject === token.build_manifest_id && issued.refs.build === token.build_manifest_id
    && build.index < issue.index, 13, "another build");
  must(entries.every(({ event }) => seconds(event.at) <= headAt + SKEW), 13, "an entry newer than the head");
  const source = token.type === "RRMT" ? "terms" : "policy_snapshot", isOne = snapshots.length === 1;
  const rules = snapshots.map((entry) => kind(entry, source).digest).sort();
  must((isOne || token.jurisdiction === undefined) && token.policy_snapshot_hash
    === (isOne ? rules[0] : digest("sha256", canonical(rules))), 13, "other rules");
  const stated = terms.map((entry) => kind(entry, "terms")), due = [token.token_id, ...token.derived_from]
    .filter((id) => /^(CORT|PSRT):/.test(id)).map((id) => `terms:${id.replace(/[.][^.]*$/, "")}`.toLowerCase());
  must(canonical(stated.map(({ subject }) => subject)) === canonical(due)
    && stated.every((event) => token.evidence.inputs.includes(event.digest)), 13, "other terms");
  const lists = datasets.map((entry) => kind(entry, "dataset")).map((event) => [event.subject, event.digest]);
  must(canonical(lists) === canonical(token.evidence.datasets.map((each) =>
    [`${each.dataset}:${each.version}`, each.content_sha256])), 13, "other lists");
  must(sources.every(({ event, index }) => index < issue.index && seconds(event.at) <= issuedAt + SKEW), 13, "too new");
  const { anchor, revEpoch, status_list: place } = token.revocation;
  checkExtends(anchor, head, hashes(file.anchor), issue.index);
  let last = { index: issue.index, payload: { rev_epoch: revEpoch, status: "valid" } };
  for (const entry of revocations) {
    const { payload, subject, refs } = kind(entry, "revocation");
    must(subject === token.token_id && payload.token_id === subject && payload.jti === token.jti
      && payload.status in STATUS && refs.token_issue === issued.event_id, 13, "a revocation of another token");
    must(entry.index > last.index && payload.rev_epoch > last.payload.rev_epoch, 13, "revocations out of order");
    last = { index: entry.index, payload };
  }
  // A log cannot show what it lacks: the list, of exactly this tree, says that no revocation was left out.
  const claims = JSON.parse(decode(split(status.list)[1]));
  object(claims, "exp", "iat", "revEpoch", "status_list", "sub", "treeSize", "ttl");
  checkJws(split(status.list), "statuslist+jwt", "status", keys, claims.iat);
  const packed = inflateSync(decode(claims.status_list.lst), { maxOutputLength: LIST_BYTES });
  must(packed.length === LIST_BYTES && claims.status_list.bits === 2, 65, "not one of the issuer's lists");
  must(claims.sub === place.uri && claims.treeSize === head.tree_size && headAt <= claims.exp + SKEW
    && claims.revEpoch >= last.payload.rev_epoch, 13, "another list, or one of another time");
  const { status_list: left, rev_epoch } = status.entry ? kind(status.entry, "revocation").payload : {};
  must(status.entry ? left?.sha256 === digest("sha256", packed) && claims.sub.endsWith(`/${left.number}`)
    && rev_epoch <= claims.revEpoch : packed.every((byte) => byte === 0), 13, "not the list that the log left");
  const byte = packed[Math.floor(place.idx / 4)], bits = byte >> place.idx % 4 * 2 & 3;
  must(byte !== undefined && bits === STATUS[last.payload.status], 13, "the list and the revocations differ");
  if (vouching.every((kid) => claims.iat >= keys.get(kid).revoked)) // then a later signature has to
    signersOf(token, "rtgf-token+jws", "token", keys, claims.iat);
  const { nbf, exp } = token.effective, inTime = claims.iat >= seconds(nbf) - SKEW && claims.iat <= seconds(exp) + SKEW;
  console.log(`${token.token_id}: issued ${issued.at} as entry ${issue.index} of ${head.origin}; `
    + `${last.payload.status}${inTime ? "" : ", outside its time"} at ${new Date(claims.iat * 1000).toISOString()}`
    + `; cosigned by: ${witnesses.map(({ name }) => name)}; lines not checked: ${checkpoint.unchecked}`);
  return bits !== STATUS.valid ? 12 : inTime ? 0 : 11;
}
try {
  const [file, rootKey = "", ...witnesses] = process.argv.slice(2);
  must(decode(rootKey).length === 32 && statSync(file).size <= MAX_BYTES, 65, "give a FILE of 4 MiB and a ROOT KEY");
  process.exitCode = check(readFileSync(file), rootKey, witnesses.map(witness));
} catch (failure) {
  console.error(`refused: ${failure.message}`);
  process.exitCode = failure.exit ?? 65; // what trips over the file's own form is malformed
}
