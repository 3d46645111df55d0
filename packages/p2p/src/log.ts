export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type Log = (level: LogLevel, text: string, fields?: Record<string, unknown>) => void
