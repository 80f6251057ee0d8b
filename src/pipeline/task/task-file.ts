/** Where predictions say what task they are of. */
export const TASK_FILE = 'task.json';
