"""A Celery worker with CUBE's task, that applies CUBE's rules and records its arguments.

Environment: CUBE_BROKER (address), CUBE_FILES_ROOT (folder), CUBE_RECORD (file: a line of JSON per call),
CUBE_KEY_PREFIX (Redis' global_keyprefix, may be unset).
"""
import datetime
import json
import os

from celery import Celery, signals
from celery.utils.log import get_task_logger

app = Celery('cube', broker=os.environ['CUBE_BROKER'])
app.conf.update(task_ignore_result=True, worker_hijack_root_logger=False, broker_connection_retry=True)
if os.environ['CUBE_BROKER'].startswith('filesystem://'):
    folder = os.environ['CUBE_BROKER'][len('filesystem://'):]
    app.conf.broker_transport_options = {'data_folder_in': folder, 'data_folder_out': folder,
                                         'control_folder': folder + '-control'}
elif os.environ.get('CUBE_KEY_PREFIX'):
    app.conf.broker_transport_options = {'global_keyprefix': os.environ['CUBE_KEY_PREFIX']}

LENGTHS = {'PatientID': 100, 'PatientName': 150, 'AccessionNumber': 100, 'Modality': 15, 'ProtocolName': 64,
           'StudyDescription': 400, 'SeriesDescription': 400, 'path': 1024, 'pacs_name': 20,
           'StudyInstanceUID': 100, 'SeriesInstanceUID': 100}


@signals.task_received.connect
def log_request(request, **_):
    """What people see of a task: the headers' texts for display."""
    get_task_logger(__name__).info('%r', request)


def faults_of(k):
    for name, most in LENGTHS.items():
        if k.get(name) is not None and len(k[name]) > most:
            yield f'{name} has {len(k[name])} characters'
    for name in ('PatientID', 'StudyDate', 'StudyInstanceUID', 'SeriesInstanceUID', 'pacs_name', 'path'):
        if not k.get(name) or not k[name].strip():
            yield f'{name} is missing'
    for name in ('StudyDate', 'PatientBirthDate'):
        if k.get(name) is not None:
            try:
                datetime.datetime.strptime(k[name], '%Y-%m-%d')
            except ValueError:
                yield f'{name} is no date'
    if k.get('PatientSex') not in (None, 'M', 'F', 'O'):
        yield 'PatientSex'
    if k.get('PatientAge') is not None and not isinstance(k['PatientAge'], int):
        yield 'PatientAge'
    if not k['path'].startswith(f"SERVICES/PACS/{k['pacs_name']}/"):
        yield 'path does not begin with SERVICES/PACS/pacs_name/'
    folder = os.path.join(os.environ['CUBE_FILES_ROOT'], k['path'])
    count = len([n for n in os.listdir(folder) if n.endswith('.dcm')]) if os.path.isdir(folder) else 0
    if k['ndicom'] != count or k['ndicom'] < 1:
        yield f"ndicom is {k['ndicom']}, the folder has {count}"


@app.task(name='pacsfiles.tasks.register_pacs_series')
def register_pacs_series(PatientID, StudyDate, StudyInstanceUID, SeriesInstanceUID, pacs_name, path, ndicom,
                         PatientName=None, PatientBirthDate=None, PatientAge=None, PatientSex=None,
                         AccessionNumber=None, Modality=None, ProtocolName=None, StudyDescription=None,
                         SeriesDescription=None):
    call = dict(locals())
    call['faults'] = list(faults_of(call))
    call['task_id'] = register_pacs_series.request.id
    with open(os.environ['CUBE_RECORD'], 'a') as record:
        record.write(json.dumps(call) + '\n')
