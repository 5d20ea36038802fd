import { createTransport } from 'nodemailer';
import type { Log } from '../core/log.ts';
import { errorText } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';

export interface Mail {
  to: string;
  subject: string;
  /** Sentences before the link. */
  text: string;
  /** What the mail is for; none: it only tells. */
  link?: string;
}

export interface Mailer {
  /** Whether mails are really sent. */
  sends: boolean;
  /** Never rejects: a mail that cannot be sent is logged. */
  send(mail: Mail): Promise<void>;
  close(): void;
}

const TIMEOUT_MS = 15_000;

/** Sends by SMTP; without a server the link goes to the log, which is where a person without mail has to look for it. */
export function createMailer({
  smtpUrl,
  from,
  log,
}: {
  smtpUrl: Secret | undefined;
  from: string;
  log: Log;
}): Mailer {
  if (!smtpUrl) {
    return {
      sends: false,
      async send({ to, subject, link }) {
        if (link !== undefined)
          log.warn(
            { to, link },
            `SMTP_URL is not set, so nothing was mailed: "${subject}"; pass on this link`,
          );
      },
      close() {},
    };
  }
  const transport = createTransport({
    url: smtpUrl.reveal(),
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    sends: true,
    async send({ to, subject, text, link }) {
      const body = link === undefined ? text : `${text}\n\n${link}\n\nIf you did not expect this, ignore it.`;
      try {
        await transport.sendMail({ from, to: { name: '', address: to }, subject, text: `${body}\n` });
      } catch (error) {
        log.error({ error: errorText(error), subject }, 'a mail could not be sent');
      }
    },
    close: () => transport.close(),
  };
}
