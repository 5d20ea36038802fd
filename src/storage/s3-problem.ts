import type { S3Options } from './s3-client.ts';

/** Why a bucket cannot be used and what to do, out of what the SDK threw. Names no credentials. */
export function explainS3(error: unknown, { bucket, endpoint, region }: S3Options): string {
  const what = `The bucket ${bucket} at ${endpoint ?? `Amazon S3 in ${region}`} cannot be used`;
  const { name, code, message, $metadata, $response } = error as SdkError;
  const home = $response?.headers?.['x-amz-bucket-region'];
  if (home !== undefined && home !== region) return `${what}: it is in ${home}. Set S3_REGION=${home}.`;
  if (name === 'CredentialsProviderError') {
    return `${what}: there are no credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role.`;
  }
  switch ($metadata?.httpStatusCode) {
    case 404:
      return `${what}: it is not there. Create it, or set S3_BUCKET to another one.`;
    case 400:
    case 401:
    case 403:
      return `${what}: access is denied. Check the credentials, their permission to list the bucket, S3_REGION and the clock.`;
    case undefined:
      return `${what}: the store does not answer (${name === 'AbortError' ? 'in time' : (code ?? message)}). Check S3_ENDPOINT and the network.`;
    default:
      return `${what}: the store answers with ${$metadata?.httpStatusCode} (${name}).`;
  }
}

interface SdkError extends NodeJS.ErrnoException {
  $metadata?: { httpStatusCode?: number };
  $response?: { headers?: Record<string, string> };
}
