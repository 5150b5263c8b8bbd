"""A small CUBE: its worker, the asked part of its API, its race, its refusals and its faults.

cube_site.py PORT FILES_ROOT TASKS FOLDER [CERTIFICATE KEY]

TASKS is the folder of a filesystem broker. FOLDER gets a file `ready`, and `tasks` with a line of JSON for each task.
GET /control?name=value changes its behaviour, and answers with its deeds so far:
  worker=0      takes no tasks; N: so many at once
  lose=N        the next N tasks come to nothing
  keep=N        of the files of a series that is registered from now on, only N
  answer=KIND   to whoever asks: ok; fail (500), refuse (401), forbid (403), nowhere (404), redirect, nonsense (no JSON),
                other (another series), long (without an end), hang (never)
"""
import base64
import http.server
import json
import os
import ssl
import sys
import threading
import time
import urllib.parse

PORT, ROOT, TASKS, FOLDER = int(sys.argv[1]), *sys.argv[2:5]
USER, PASSWORD, TOKEN = 'asker', 'quite-secret', 'f00dfacef00dface'

lock = threading.Lock()
does = {'worker': 0, 'lose': 0, 'keep': 1 << 30, 'answer': 'ok'}
done = {'tasks': 0, 'failures': 0, 'questions': 0, 'logins': 0, 'refused': 0}
series = {}  # (pacs, UID): folder and how many files it was registered with
folders = set()
under_way = 0


# --- the worker ------------------------------------------------------------------------------------------


def above(path):
    parts = path.split('/')
    return ['/'.join(parts[:n]) for n in range(3, len(parts))]


def count_files(path):
    folder = os.path.join(ROOT, path)
    return len([n for n in os.listdir(folder) if n.endswith('.dcm')]) if os.path.isdir(folder) else 0


def register(task):
    """Raises as CUBE's task does, which nobody repeats."""
    path, key = task['path'], (task['pacs_name'], task['SeriesInstanceUID'])
    if not path.startswith(f"SERVICES/PACS/{task['pacs_name']}/") or count_files(path) != task['ndicom']:
        raise ValueError('path or ndicom')
    with lock:
        if key in series:
            raise ValueError('already registered')
        new = [f for f in above(path) if f not in folders]
    if new:
        time.sleep(.2)  # between the look for a row and its making there is no transaction
    with lock:
        if any(f in folders for f in new):
            raise ValueError('duplicate key value violates unique constraint')
        folders.update(new)
        series[key] = {'folder': path, 'files': min(task['ndicom'], does['keep'])}


def run(task_id, task):
    global under_way
    with lock:
        lost = does['lose'] > 0
        does['lose'] -= lost
    failed = lost
    if not lost:
        try:
            register(task)
        except ValueError:
            failed = True
    with lock:
        done['failures'] += failed
        under_way -= 1


def take_task():
    global under_way
    names = sorted(n for n in os.listdir(TASKS) if n.endswith('.main2.msg')) if os.path.isdir(TASKS) else []
    if not names:
        return
    path = os.path.join(TASKS, names[0])
    with open(path) as file:
        envelope = json.load(file)
    task = json.loads(base64.b64decode(envelope['body']))[1]
    task_id = envelope['headers']['id']
    with lock:
        under_way += 1
        done['tasks'] += 1
    with open(f'{FOLDER}/tasks', 'a') as file:
        file.write(json.dumps({'id': task_id, 'series': task['SeriesInstanceUID']}) + '\n')
    os.unlink(path)  # it is counted before anybody sees the queue without it
    threading.Thread(target=run, args=(task_id, task), daemon=True).start()


def work():
    while True:
        with lock:
            free = under_way < does['worker']
        if free:
            take_task()
        time.sleep(.01)


# --- the API ---------------------------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def say(self, status, body, kind='application/json', **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def control(self, query):
        with lock:
            for name, value in query.items():
                does[name] = value if name == 'answer' else int(value)
            self.say(200, {**done, 'series': len(series)})

    def misbehave(self, kind):
        statuses = {'fail': 500, 'refuse': 401, 'forbid': 403, 'nowhere': 404}
        if kind in statuses:
            self.say(statuses[kind], {'detail': 'no'})
        elif kind == 'redirect':
            self.say(302, b'', Location='/control?answer=ok')
        elif kind == 'nonsense':
            self.say(200, b'<html>Welcome</html>', 'text/html')
        elif kind == 'other':
            self.say(200, self.page([{'SeriesInstanceUID': '9.9', 'pacs_identifier': 'OTHER'}]))
        elif kind == 'long':
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b' ' * 65536)
        elif kind == 'hang':
            while does['answer'] == 'hang':
                time.sleep(.02)
            self.close_connection = True

    @staticmethod
    def page(results):
        return {'count': len(results), 'next': None, 'previous': None, 'results': results[:2]}

    def find_series(self, query):
        rows = [dict(SeriesInstanceUID=uid, pacs_identifier=pacs, folder_path=row['folder'])
                for (pacs, uid), row in series.items()
                if query.get('SeriesInstanceUID', uid) == uid and query.get('pacs_identifier', pacs) == pacs]
        return self.page(rows)

    def find_files(self, query):
        begin = query['fname']
        count = sum(row['files'] for row in series.values() if (row['folder'] + '/').startswith(begin))
        return {'count': count, 'next': None, 'previous': None, 'results': []}

    def answer(self, path, query):
        if self.headers.get('Authorization') != 'Token ' + TOKEN:
            done['refused'] += 1
            return self.say(401, {'detail': 'Invalid token.'})
        if 'application/json' not in self.headers.get('Accept', ''):
            return self.say(200, b'{"collection": {}}', 'application/vnd.collection+json')
        done['questions'] += 1
        find = {'/api/v1/pacs/series/search/': self.find_series, '/api/v1/pacs/files/search/': self.find_files}
        with lock:
            found = find[path](query) if path in find else None
        return self.say(200, found) if found else self.say(404, {'detail': 'Not found.'})

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = {name: values[0] for name, values in urllib.parse.parse_qs(url.query).items()}
        if url.path == '/control':
            self.control(query)
        elif does['answer'] != 'ok':
            self.misbehave(does['answer'])
        else:
            self.answer(url.path, query)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        done['logins'] += 1
        if does['answer'] not in ('ok', 'refuse', 'forbid', 'other', 'nonsense'):
            self.misbehave(does['answer'])
        elif self.path != '/api/v1/auth-token/':
            self.say(404, {'detail': 'Not found.'})
        elif does['answer'] == 'refuse' or body != {'username': USER, 'password': PASSWORD}:
            self.say(400, {'non_field_errors': ['Unable to log in with provided credentials.']})
        else:
            self.say(200, {'token': TOKEN})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # the client broke off


server = Server(('127.0.0.1', PORT), Handler)
if len(sys.argv) > 5:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[5], sys.argv[6])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=work, daemon=True).start()
open(f'{FOLDER}/ready', 'w').close()
server.serve_forever()
