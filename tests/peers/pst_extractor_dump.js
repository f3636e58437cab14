// Lists a file with the npm package pst-extractor, as JSON Lines (see items.py). Its accessors give "" both for an
// empty value and for none, so that empty values are left out. It lists no associated messages.
'use strict'

const crypto = require('crypto')
const fs = require('fs')
const path = require('path')
const library = process.env.PST_EXTRACTOR || path.join(__dirname, 'node_modules', 'pst-extractor')
const { PSTFile, PSTMessage } = require(library)
const { PSTTable7C } = require(path.join(library, 'dist', 'PSTTable7C.class.js'))

// It reads a whole table again for each row that is asked for.
const getItems = PSTTable7C.prototype.getItems
PSTTable7C.prototype.getItems = function (...range) {
  if (range.length) return getItems.apply(this, range)
  return (this.allItems ??= getItems.call(this))
}

const sha256 = (data) => crypto.createHash('sha256').update(data).digest('hex')
const emit = (line) => process.stdout.write(JSON.stringify(line) + '\n')
const emitError = (where, error) => emit({ kind: 'error', text: `${where}: ${error}`.slice(0, 300) })

function body(text) {
  if (!text) return undefined
  const variants = new Set()
  for (const one of [text, text.replace(/\0+$/, ''), text.replace(/\0+$/, '').trimEnd()]) {
    variants.add(sha256(one)).add(sha256(one.replace(/\r\n/g, '\n')))
  }
  return { length: Buffer.byteLength(text), sha256: sha256(text), variants: [...variants].sort() }
}

function contents(attachment) {
  const stream = attachment.fileInputStream
  if (!stream) return undefined
  const data = Buffer.alloc(Number(stream.length))
  stream.readCompletely(data)
  return data
}

function attachment(message, index) {
  const one = message.getAttachment(index)
  const found = { method: one.attachMethod, names: [one.longFilename, one.filename, one.displayName].filter(Boolean) }
  if (one.attachMethod === 5) {
    const inner = one.embeddedPSTMessage
    found.embedded = inner ? item(inner, undefined) : null
  } else if (one.attachMethod === 1) {
    const data = contents(one)
    if (data) Object.assign(found, { size: data.length, sha256: sha256(data) })
  }
  return found
}

function recipients(message) {
  const found = { to: [], cc: [], bcc: [] }
  for (let i = 0; i < message.numberOfRecipients; i++) {
    const one = message.getRecipient(i)
    const kind = { 2: 'cc', 3: 'bcc' }[one.recipientType] || 'to'
    found[kind].push({ name: one.displayName })
  }
  return found
}

function item(message, folder) {
  const attachments = []
  for (let i = 0; i < message.numberOfAttachments; i++) {
    try {
      attachments.push(attachment(message, i))
    } catch (error) {
      emitError(`${folder}: attachment ${i}`, error)
      attachments.push({})
    }
  }
  const nid = Number(message.descriptorNodeId)
  const sent = message.clientSubmitTime
  return {
    kind: (nid & 0x1f) === 8 ? 'associated' : 'message',
    nid,
    folder,
    class: message.messageClass || undefined,
    subject: message.subject || undefined,
    from: message.senderName ? { name: message.senderName } : undefined,
    sent: sent ? sent.toISOString() : undefined,
    // Not its RTF: the dictionary that it decompresses with has LF and CR swapped, and it takes the result for UTF-8.
    bodies: { text: body(message.body) },
    attachments,
    ...recipients(message),
  }
}

function walk(file) {
  // from memory: it reads byte by byte
  const pending = [[new PSTFile(fs.readFileSync(file)).getRootFolder(), '']]
  while (pending.length) {
    const [folder, where] = pending.pop()
    emit({ kind: 'folder', nid: Number(folder.descriptorNodeId), folder: where })
    try {
      // No going on past a message that throws: the cursor stands still.
      for (let child = folder.contentCount > 0 ? folder.getNextChild() : null; child; child = folder.getNextChild()) {
        if (child instanceof PSTMessage) emit(item(child, where))
      }
    } catch (error) {
      emitError(where, error)
    }
    try {
      for (const child of folder.getSubFolders()) pending.push([child, `${where}/${child.displayName}`])
    } catch (error) {
      emitError(where, error)
    }
  }
}

try {
  walk(process.argv[2])
} catch (error) {
  emitError('open', error)
  process.exitCode = 1
}
